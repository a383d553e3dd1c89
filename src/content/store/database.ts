/** LevelDB behind sealed records: opening, the lock, repair, and errors that a user can read. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { fromSystemError, ShoalError, systemCode } from '../../base/errors.ts'
import { pointed } from '../../base/fault-point.ts'
import type { Logger } from '../../base/log.ts'
import { makeFolder } from './make-folder.ts'
import { nodeDisk } from './node-disk.ts'
import { seal, unseal } from './records.ts'

export type RecordOp =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: string }

export interface KeyRange {
  readonly gte: string
  readonly lt: string
}

/** What is used of LevelDB. Batches are kept in order: of those not synced a crash loses the last ones. */
export interface Level {
  get(key: string): Promise<Uint8Array | undefined>
  getMany(keys: string[]): Promise<Array<Uint8Array | undefined>>
  iterator(range: KeyRange & { readonly highWaterMarkBytes: number }): {
    nextv(count: number): Promise<Array<[string, Uint8Array]>>
    close(): Promise<void>
  }
  keys(range: KeyRange & { readonly limit?: number }): {
    next(): Promise<string | undefined>
    nextv(count: number): Promise<string[]>
    close(): Promise<void>
  }
  batch(ops: RecordOp[], options: { readonly sync: boolean }): Promise<void>
  clear(range: KeyRange): Promise<void>
  approximateSize(from: string, to: string): Promise<number>
  /** Rewrites what lies between, without what was deleted. */
  compactRange(from: string, to: string): Promise<void>
  close(): Promise<void>
}

export class Database {
  readonly folder: string
  #level: Level
  readonly #reopen: (() => Promise<Level>) | undefined
  /** A write failed: LevelDB may have cut its log off amid a record, and would lose what it writes behind that. */
  #failed = false
  /** Closed to be opened again, which may have failed so far. */
  #isShut = false
  #opening: Promise<void> | undefined
  #closed = false

  /**
   * @param level open; `Database.open` opens the one in a folder
   * @param reopen opens it again after it was closed
   */
  constructor(folder: string, level: Level, reopen?: () => Promise<Level>) {
    this.folder = folder
    this.#level = level
    this.#reopen = reopen
  }

  /**
   * @param folder made when absent, mode 0700
   * @param onLoss hears what LevelDB had to drop or repair
   * @throws ERR_LOCKED, ERR_NO_PERMISSION, ERR_READ_ONLY, ERR_NO_SPACE, ERR_STORE_UNREADABLE
   */
  static async open(folder: string, onLoss: (sentence: string) => void, log: Logger): Promise<Database> {
    let names: string[]
    try {
      await makeFolder(nodeDisk, folder, 0o700)
      names = await readdir(folder)
    } catch (err) {
      throw fromSystemError(err, folder)
    }
    const isOld = names.some(name => /^(CURRENT|MANIFEST-\d+|\d+\.(ldb|sst|log))$/.test(name))
    // Without CURRENT, LevelDB would make a new store and delete the tables of the old one.
    const level = await openLevel(folder, !isOld).catch(async err => {
      if (!isOld || !isRepairable(err)) throw openError(err, folder)
      log.warn('%s does not open (%s), repairing', folder, reasonOf(err))
      onLoss(`the store in ${folder} was damaged (${reasonOf(err)}) and has been repaired`)
      return await repairAndOpen(folder)
    })
    for (const loss of await droppedByLog(folder)) onLoss(loss)
    return new Database(folder, level, () => openLevel(folder, false))
  }

  /** Closes, repairs, opens again. This object is closed afterwards. */
  async repaired(): Promise<Database> {
    await this.close()
    return new Database(this.folder, await repairAndOpen(this.folder), () => openLevel(this.folder, false))
  }

  /** `undefined`: absent; `damaged`: there, but not what was written. */
  async get(key: string): Promise<Uint8Array | 'damaged' | undefined> {
    const value = await this.#run(() => this.#level.get(key))
    return value === undefined ? undefined : (unseal(key, value) ?? 'damaged')
  }

  async getMany(keys: string[]): Promise<Array<Uint8Array | 'damaged' | undefined>> {
    const values = await this.#run(() => this.#level.getMany(keys))
    return values.map((value, i) => (value === undefined ? undefined : (unseal(keys[i] ?? '', value) ?? 'damaged')))
  }

  /** Every record whose key begins with `prefix`, in key order. */
  async *entries(prefix: string): AsyncGenerator<{ key: string; value: Uint8Array | 'damaged' }> {
    const iterator = this.#level.iterator({ gte: prefix, lt: `${prefix}\uffff`, highWaterMarkBytes: 1 << 20 })
    try {
      for (;;) {
        const batch = await this.#run(() => iterator.nextv(256))
        if (batch.length === 0) return
        for (const [key, value] of batch) yield { key, value: unseal(key, value) ?? 'damaged' }
      }
    } finally {
      await iterator.close()
    }
  }

  /** Keys alone, values unread. */
  async *keys(prefix: string): AsyncGenerator<string> {
    const iterator = this.#level.keys({ gte: prefix, lt: `${prefix}\uffff` })
    try {
      for (;;) {
        const batch = await this.#run(() => iterator.nextv(1000))
        if (batch.length === 0) return
        yield* batch
      }
    } finally {
      await iterator.close()
    }
  }

  /** The first key from `from` on, below `prefix`. */
  async firstKey(prefix: string, from: string): Promise<string | undefined> {
    const iterator = this.#level.keys({ gte: from, lt: `${prefix}\uffff`, limit: 1 })
    try {
      return await this.#run(() => iterator.next())
    } finally {
      await iterator.close()
    }
  }

  /** All or nothing; with `sync` it is on the disk when this resolves. */
  async write(ops: readonly RecordOp[], { sync }: { sync: boolean }): Promise<void> {
    if (ops.length === 0) return
    const sealed = ops.map(op => (op.type === 'put' ? { ...op, value: seal(op.key, op.value) } : op))
    await this.#change(() => this.#level.batch(sealed, { sync }))
  }

  /** Deletes every record under `prefix`, not synced. */
  async clear(prefix: string): Promise<void> {
    await this.#change(() => this.#level.clear({ gte: prefix, lt: `${prefix}\uffff` }))
  }

  /** Bytes on disk under `prefix`, roughly. */
  async approximateSize(prefix: string): Promise<number> {
    return await this.#run(() => this.#level.approximateSize(prefix, `${prefix}\uffff`))
  }

  /** Rewrites all records without what was deleted or replaced: less on disk, and sooner read. */
  async compact(): Promise<void> {
    await this.#run(() => this.#level.compactRange('', '\uffff'))
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#opening?.catch(() => {})
    await this.#level.close()
  }

  /** After a failure LevelDB is opened anew first: it reads its log, and begins another. */
  async #change(work: () => Promise<void>): Promise<void> {
    await this.#run(async () => {
      if (this.#failed) await this.#openAgain()
      try {
        await work()
      } catch (err) {
        this.#failed = true
        throw err
      }
    })
  }

  async #openAgain(): Promise<void> {
    const reopen = this.#reopen
    if (reopen === undefined || this.#closed) return
    const open = async () => {
      this.#isShut = true
      await this.#level.close()
      this.#level = await reopen()
      this.#isShut = false
      this.#failed = false
    }
    this.#opening ??= open().finally(() => {
      this.#opening = undefined
    })
    await this.#opening
  }

  async #run<T>(work: () => Promise<T>): Promise<T> {
    try {
      if (this.#isShut) await this.#openAgain()
      return await work()
    } catch (err) {
      throw recordError(err, this.folder)
    }
  }
}

async function openLevel(folder: string, createIfMissing: boolean): Promise<Level> {
  const level = new ClassicLevel<string, Uint8Array>(folder, { keyEncoding: 'utf8', valueEncoding: 'view' })
  await level.open({ createIfMissing })
  return pointed(level, 'level', ['batch', 'clear', 'close'])
}

async function repairAndOpen(folder: string): Promise<Level> {
  try {
    await ClassicLevel.repair(folder)
    return await openLevel(folder, true)
  } catch (err) {
    throw openError(err, folder)
  }
}

/** The error of LevelDB itself: abstract-level wraps it when opening. */
function innermost(err: unknown): unknown {
  return err instanceof Error && systemCode(err) === 'LEVEL_DATABASE_NOT_OPEN' && err.cause !== undefined
    ? innermost(err.cause)
    : err
}

function reasonOf(err: unknown): string {
  const inner = innermost(err)
  return inner instanceof Error ? inner.message : String(inner)
}

function isRepairable(err: unknown): boolean {
  return systemCode(innermost(err)) !== 'LEVEL_LOCKED' && !/permission denied|read-only|no space/i.test(reasonOf(err))
}

/** Whether LevelDB found its own files damaged while reading or writing. */
export function isCorruption(err: unknown): boolean {
  return err instanceof ShoalError && err.code === 'ERR_STORE_DAMAGED' && err.details['level'] === true
}

function openError(err: unknown, folder: string): Error {
  const inner = innermost(err)
  if (systemCode(inner) === 'LEVEL_LOCKED') {
    return new ShoalError('ERR_LOCKED', `the data folder is in use by another process: ${folder}`, {
      cause: inner,
      hint: 'stop that process, or choose another folder with --data-dir',
      details: { path: folder }
    })
  }
  const known = ioError(inner, folder)
  if (known !== undefined) return known
  return new ShoalError('ERR_STORE_UNREADABLE', `the store in ${folder} cannot be read: ${reasonOf(err)}`, {
    cause: inner,
    hint: 'move that folder away and share again what it held; your files are not in it',
    details: { path: folder }
  })
}

function recordError(err: unknown, folder: string): Error {
  const inner = innermost(err)
  const code = systemCode(inner)
  if (code === 'LEVEL_DATABASE_NOT_OPEN' || code === 'LEVEL_ITERATOR_NOT_OPEN') {
    return new ShoalError('ERR_NOT_RUNNING', 'the content store is closed', { cause: inner })
  }
  const known = ioError(inner, folder)
  if (known !== undefined) return known
  return new ShoalError('ERR_STORE_DAMAGED', `the store in ${folder} is damaged: ${reasonOf(err)}`, {
    cause: inner,
    hint: 'start the node again: it repairs what it can and says what was lost',
    details: { path: folder, level: true }
  })
}

/** LevelDB gives errno only as words. */
function ioError(err: unknown, folder: string): ShoalError | undefined {
  const text = reasonOf(err)
  const init = { cause: err, details: { path: folder } }
  if (/permission denied|operation not permitted/i.test(text)) {
    return new ShoalError('ERR_NO_PERMISSION', `no permission for ${folder}`, {
      ...init,
      hint: 'check its owner and mode'
    })
  }
  if (/read-only file system/i.test(text)) {
    return new ShoalError('ERR_READ_ONLY', `${folder} is on a read-only file system`, {
      ...init,
      hint: 'choose another folder with --data-dir'
    })
  }
  if (/no space left|quota exceeded/i.test(text)) {
    return new ShoalError('ERR_NO_SPACE', `no space left for ${folder}`, { ...init, hint: 'free some space' })
  }
  return undefined
}

/** LevelDB silently drops damaged parts of its log, but says so in its own log file, new at each opening. */
async function droppedByLog(folder: string): Promise<string[]> {
  const text = await readFile(join(folder, 'LOG'), 'latin1').catch(() => '')
  return text
    .split('\n')
    .map(line => /(\d+\.log): dropping (\d+) bytes; (.*)$/.exec(line))
    .filter(match => match !== null)
    .map(match => `${match[2]} bytes of the store's last records were damaged and dropped (${match[1]}: ${match[3]})`)
}
