/** Verified bytes of one file in order, fetching what is missing first. */

import { systemClock } from '../base/clock.ts'
import { abortError, ShoalError, throwIfAborted } from '../base/errors.ts'
import { MIB } from '../base/units.ts'
import type { Manifest, ManifestEntry } from '../content/manifest.ts'
import type { StoredRoot } from '../content/store/stored-root.ts'
import type { SwarmRunner } from '../transfer/io/swarm-runner.ts'
import type { FetchJob } from './fetch-job.ts'
import type { ByteRange } from './fetch-watchers.ts'
import { StallWatch } from './stall-watch.ts'

/** Bytes of one read from the store, at most: what the reader gets at a time. */
const CHUNK_BYTES = MIB
/** How far ahead of the reader pieces are asked for. */
const READ_AHEAD_BYTES = 16 * MIB

export interface ContentRead {
  readonly root: StoredRoot
  /** What is missing comes from here; absent when everything is held. */
  readonly fetch?: { readonly job: FetchJob; readonly runner: SwarmRunner } | undefined
  /** Fires with the reason when the fetch fails or stalls. */
  readonly failed: AbortSignal
  readonly path: string
  readonly offset: number
  readonly length: number | undefined
  /** Without a byte for so long the read is given up. */
  readonly timeoutMs: number
}

/** @throws ERR_PATH_NOT_FOUND when the root has no such file, ERR_USAGE for a range outside it */
export function locate(manifest: Manifest, path: string): { index: number; entry: ManifestEntry & { kind: 'file' } } {
  const wanted = path.replace(/^\/+|\/+$/g, '')
  const index = manifest.entries.findIndex(entry => entry.path === wanted)
  const entry = manifest.entries[index]
  if (entry?.kind === 'file') return { index, entry }
  const what = wanted === '' ? 'the root' : JSON.stringify(wanted)
  throw new ShoalError(
    'ERR_PATH_NOT_FOUND',
    `${what} is ${entry === undefined ? 'not in' : 'no file of'} ${manifest.root}`,
    {
      hint: 'name a file of the folder with { path }'
    }
  )
}

export async function* readContent(read: ContentRead): AsyncGenerator<Uint8Array> {
  const { root, fetch, failed } = read
  const { manifest } = root
  const { index, entry } = locate(manifest, read.path)
  const end = Math.min(entry.size, read.offset + (read.length ?? Number.POSITIVE_INFINITY))
  let at = read.offset
  const reader = {}
  try {
    while (at < end) {
      throwIfAborted(failed)
      const needed = piecesOf(root, index, at, Math.min(end, at + CHUNK_BYTES))
      if (fetch !== undefined && needed.some(piece => !root.have.has(piece))) {
        const ahead = piecesOf(root, index, at, Math.min(end, at + READ_AHEAD_BYTES))
        fetch.job.want(reader, {
          waitedFor: rangesOf(root, needed),
          soon: rangesOf(root, ahead.slice(needed.length))
        })
        await untilHeld(read, fetch, needed)
      }
      const chunk = await root.readEntry(index, at, Math.min(CHUNK_BYTES, end - at))
      at += chunk.byteLength
      yield chunk
    }
  } finally {
    fetch?.job.want(reader)
  }
}

/** The pieces that hold [from, to) of a file. */
function piecesOf(root: StoredRoot, entry: number, from: number, to: number): number[] {
  const { manifest } = root
  const file = manifest.entries[entry]
  if (file?.kind !== 'file') return []
  // the first span that ends past `from`, by bisection: spans lie in file order
  let low = file.firstSpan
  let high = file.firstSpan + file.spanCount
  while (low < high) {
    const middle = (low + high) >>> 1
    const span = manifest.span(middle)
    if (span.fileOffset + span.length <= from) low = middle + 1
    else high = middle
  }
  const pieces: number[] = []
  for (let k = low; k < file.firstSpan + file.spanCount; k++) {
    const span = manifest.span(k)
    if (span.fileOffset >= to) break
    pieces.push(span.piece)
  }
  return pieces
}

/** Those that are held too: one of them may be lost while another is waited for. */
function rangesOf({ pieces }: StoredRoot, wanted: readonly number[]): ByteRange[] {
  const ranges: Array<{ offset: number; length: number }> = []
  for (const piece of wanted) {
    const [offset, length] = [pieces.offset(piece), pieces.wireSize(piece)]
    const last = ranges.at(-1)
    if (last !== undefined && last.offset + last.length === offset) last.length += length
    else ranges.push({ offset, length })
  }
  return ranges
}

async function untilHeld(
  { root, failed, timeoutMs }: ContentRead,
  { job, runner }: { job: FetchJob; runner: SwarmRunner },
  pieces: readonly number[]
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const end = () => {
      for (const off of offs) off()
      watch.setActive(false)
      failed.removeEventListener('abort', onFailed)
    }
    const fail = (err: Error) => {
      end()
      reject(err)
    }
    const onFailed = () => fail(failed.reason instanceof Error ? failed.reason : abortError(failed))
    const check = () => {
      watch.touch()
      if (!pieces.every(piece => root.have.has(piece))) return
      end()
      resolve()
    }
    const watch = new StallWatch(systemClock, timeoutMs, () => fail(job.stallError(timeoutMs)))
    watch.setActive(true)
    const offs = [
      runner.events.on('piece:verified', check),
      runner.events.on('progressed', () => watch.touch()),
      runner.events.on('failed', fail),
      runner.events.on('unwritten', fail)
    ]
    failed.addEventListener('abort', onFailed, { once: true })
    if (failed.aborted) onFailed()
    else check()
  })
}
