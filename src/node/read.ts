/** A read of held or fetched content: from the disk where all of it is held, else through a fetch that others may share. */
import { join } from 'node:path'
import { CID } from 'multiformats/cid'
import { linkSignals } from '../base/abort-signals.ts'
import { abortError, ShoalError, throwIfAborted } from '../base/errors.ts'
import type { ContentStore } from '../content/store/content-store.ts'
import type { ReadOptions } from './api.ts'
import { checkTimeout } from './check-arguments.ts'
import { readContent } from './content-read.ts'
import { DEFAULT_TIMEOUT_MS, type Fetches } from './fetches.ts'
import { raceAbort } from './race-abort.ts'
import { parseSource } from './sources.ts'
import { cacheFolder } from './storage/cache-folder.ts'
import type { Storage } from './storage/storage.ts'

export interface ReadParts {
  readonly dataDir: string
  readonly store: ContentStore
  readonly storage: Storage
  readonly fetches: Fetches
  readonly stopping: AbortSignal
}

export async function* read(
  parts: () => ReadParts,
  sourceText: string,
  options: ReadOptions = {}
): AsyncGenerator<Uint8Array> {
  const source = parseSource(sourceText)
  const { offset = 0, length, path = '', timeoutMs = DEFAULT_TIMEOUT_MS } = options
  for (const [name, value] of Object.entries({ offset, length: length ?? 0 })) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new ShoalError('ERR_BAD_NUMBER', `${name} is no byte count: ${value}`)
    }
  }
  checkTimeout(timeoutMs)
  const { dataDir, store, storage, fetches, stopping } = parts()
  const { signal, clear } = linkSignals(stopping, options.signal)
  let release = () => {}
  try {
    throwIfAborted(signal)
    release = await storage.hold(source.cid)
    const held = store.get(CID.parse(source.cid))
    if (held !== undefined && held.state === 'complete') {
      await held.load()
      yield* readContent({ root: held, failed: signal, path, offset, length, timeoutMs })
      return
    }
    const fetchTo = held?.state === 'partial' ? held.path : join(cacheFolder(dataDir), source.cid)
    const { job, leave } = await fetches.joinAsReader(source, fetchTo, timeoutMs)
    const failed = new AbortController()
    job.done.catch((err: unknown) => failed.abort(err))
    const abort = () => failed.abort(abortError(signal))
    signal.addEventListener('abort', abort)
    try {
      if (signal.aborted) abort()
      const { root, runner } = await raceAbort(job.rootReady, failed.signal)
      yield* readContent({ root, fetch: { job, runner }, failed: failed.signal, path, offset, length, timeoutMs })
    } finally {
      signal.removeEventListener('abort', abort)
      leave()
    }
  } finally {
    release()
    clear()
  }
}
