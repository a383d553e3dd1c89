/**
 * What an ingest has hashed so far, so that one that was interrupted need not begin again. A file of its own in the data
 * folder, which needs no lock and no store: every run reads what earlier ones of the same path left, appends what it
 * hashes to a file of its own, and deletes all of them when it is done.
 *
 * Layout of a file: records of u32 length and u32 crc32 of the payload, little endian, then the payload: 5 × i64
 * fingerprint (size, mtime ns, ctime ns, inode, device), u32 number of the first chunk, u16 length of the path, path
 * (UTF-8, absolute), 32 bytes a digest. What follows a record that is cut off or damaged is not read.
 */
import { createHash, randomBytes } from 'node:crypto'
import { type FileHandle, lstat, mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { HOUR_MS, MIB } from '../base/units.ts'
import { DIGEST_BYTES } from './disk/disk-jobs.ts'
import { CHUNK_BYTES } from './file-builder.ts'
import { type FileFingerprint, sameFingerprint } from './fingerprint.ts'

const FOLDER = 'hashed'
/** Of a journal: what it is of, which run, something random. What bears another name is not ours. */
const NAME = /^[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}$/
/** What is hashed sooner than this is not worth a file. */
const WRITE_EVERY_MS = 1000
const WRITE_BYTES = MIB
/** Within the coarsest clock of a file system (FAT: 2 s) a file can change and keep its times. */
const MIN_AGE_MS = 2000
/** Runs that were never taken up again: 32 bytes for each MiB of theirs are kept so long. */
const MAX_AGE_MS = 14 * 24 * 3600 * 1000
const HEAD_BYTES = 8
const PRINT_BYTES = 40
const FIXED_BYTES = PRINT_BYTES + 6

/** Digests of a file's chunks, from 0 on without a gap. */
interface Known {
  readonly print: FileFingerprint
  /** Room for more than there is. */
  digests: Buffer
  bytes: number
}

/** Chunks of one file that were hashed one after another and are not written yet. */
interface Pending {
  readonly print: FileFingerprint
  readonly first: number
  readonly digests: Uint8Array[]
  bytes: number
}

export class HashJournal {
  readonly #folder: string
  readonly #key: string
  readonly #now: () => number
  readonly #known = new Map<string, Known>()
  #pending = new Map<string, Pending>()
  #pendingBytes = 0
  /** Its number among the runs that were not completed. */
  #run = 0
  #lastMs: number
  #file: Promise<FileHandle | undefined> | undefined
  #turn: Promise<void> = Promise.resolve()

  private constructor(folder: string, key: string, now: () => number) {
    this.#folder = folder
    this.#key = key
    this.#now = now
    this.#lastMs = performance.now()
  }

  /**
   * Never fails: without a journal everything is hashed.
   * @param dataDir not made when absent @param path absolute: what is ingested @param now ms since 1970
   */
  static async open(dataDir: string, path: string, now = Date.now): Promise<HashJournal> {
    const key = createHash('sha256').update(path).digest('hex').slice(0, 32)
    const journal = new HashJournal(join(dataDir, FOLDER), key, now)
    for (const name of await journal.#names()) {
      journal.#run = runOf(name) + 1
      journal.#read(await readFile(join(journal.#folder, name)).catch(() => Buffer.alloc(0)))
    }
    return journal
  }

  /** Nothing is known of an earlier run. */
  get isEmpty(): boolean {
    return this.#known.size === 0
  }

  /** Digests of the first chunks of the file, all or some; a view. Undefined for a file that is not as it was. */
  find(path: string, print: FileFingerprint): Uint8Array | undefined {
    const known = this.#known.get(path)
    if (known === undefined || !sameFingerprint(known.print, print)) return undefined
    const chunks = Math.max(1, Math.ceil(print.size / CHUNK_BYTES))
    return known.digests.subarray(0, Math.min(known.bytes, chunks * DIGEST_BYTES))
  }

  /** @param first number of the chunk of the first digest; the chunks before it were added, or found */
  async add(path: string, print: FileFingerprint, first: number, digests: Uint8Array): Promise<void> {
    const youngestMs = Number((print.mtimeNs > print.ctimeNs ? print.mtimeNs : print.ctimeNs) / 1_000_000n)
    if (this.#now() - youngestMs < MIN_AGE_MS) return
    const before = this.#pending.get(path)
    if (
      before !== undefined &&
      before.first + before.bytes / DIGEST_BYTES === first &&
      sameFingerprint(before.print, print)
    ) {
      before.digests.push(digests)
      before.bytes += digests.byteLength
    } else this.#pending.set(path, { print, first, digests: [digests], bytes: digests.byteLength })
    this.#pendingBytes += digests.byteLength + (before === undefined ? FIXED_BYTES + path.length : 0)
    if (performance.now() - this.#lastMs >= WRITE_EVERY_MS || this.#pendingBytes >= WRITE_BYTES) await this.write()
  }

  /** Hands what was added to the system: it outlives this process then. */
  async write(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#write())
    await this.#turn
  }

  /** The ingest is complete: nothing of it is needed any more. */
  async discard(): Promise<void> {
    this.#pending.clear()
    await this.close()
    for (const name of await this.#names()) await rm(join(this.#folder, name), { force: true }).catch(() => {})
  }

  async close(): Promise<void> {
    await this.write()
    const file = await this.#file
    this.#file = undefined
    await file?.close().catch(() => {})
  }

  async #write(): Promise<void> {
    this.#lastMs = performance.now()
    if (this.#pending.size === 0) return
    const bytes = Buffer.concat(
      [...this.#pending].map(([path, { print, first, digests }]) => encode(path, print, first, Buffer.concat(digests)))
    )
    this.#pending = new Map()
    this.#pendingBytes = 0
    this.#file ??= this.#create()
    const file = await this.#file
    await file?.appendFile(bytes).catch(() => {})
  }

  async #create(): Promise<FileHandle | undefined> {
    try {
      await stat(join(this.#folder, '..'))
      await mkdir(this.#folder, { recursive: true, mode: 0o700 })
      await this.#deleteOld()
      const name = `${this.#key}-${numbered(this.#run)}-${randomBytes(4).toString('hex')}`
      return await open(join(this.#folder, name), 'ax', 0o600)
    } catch {
      return undefined
    }
  }

  async #deleteOld(): Promise<void> {
    for (const name of await journalsIn(this.#folder)) {
      const path = join(this.#folder, name)
      const stats = await lstat(path)
      if (stats.isFile() && this.#now() - stats.mtimeMs > MAX_AGE_MS) await rm(path, { force: true })
    }
  }

  /** Oldest first: a later run begins where the one before it stopped. */
  async #names(): Promise<string[]> {
    const names = await journalsIn(this.#folder)
    return names.filter(name => name.startsWith(`${this.#key}-`)).sort()
  }

  #read(bytes: Buffer): void {
    for (const record of recordsIn(bytes)) this.#learn(record)
  }

  #learn({ path, print, first, digests }: HashRecord): void {
    let known = this.#known.get(path)
    if (known === undefined || !sameFingerprint(known.print, print)) {
      known = { print, digests: Buffer.alloc(0), bytes: 0 }
      this.#known.set(path, known)
    }
    const start = first * DIGEST_BYTES
    const end = start + digests.byteLength
    if (start > known.bytes || end <= known.bytes) return
    if (end > known.digests.byteLength) {
      const roomier = Buffer.alloc(2 * end)
      roomier.set(known.digests.subarray(0, known.bytes))
      known.digests = roomier
    }
    known.digests.set(digests, start)
    known.bytes = end
  }
}

async function journalsIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => [])
  return names.filter(name => NAME.test(name))
}

const numbered = (run: number) => run.toString(16).padStart(8, '0')
const runOf = (name: string) => Number.parseInt(name.split('-')[1] ?? '', 16) || 0

/** What follows a record that is cut off or damaged is not read. */
function* recordsIn(bytes: Buffer): Generator<HashRecord> {
  for (let at = 0; at + HEAD_BYTES <= bytes.byteLength; ) {
    const length = bytes.readUInt32LE(at)
    const payload = bytes.subarray(at + HEAD_BYTES, at + HEAD_BYTES + length)
    if (payload.byteLength < length || crc32(payload) !== bytes.readUInt32LE(at + 4)) return
    const record = decode(payload)
    if (record === undefined) return
    yield record
    at += HEAD_BYTES + length
  }
}

/**
 * Journals that no ingest will take up: too old, or none of the files that they tell of is there. A run that has just
 * begun has an empty one: that is left for an hour.
 * @param now ms since 1970
 */
export async function staleJournals(dataDir: string, now: number): Promise<Array<{ path: string; size: number }>> {
  const folder = join(dataDir, FOLDER)
  const stale: Array<{ path: string; size: number }> = []
  for (const name of await journalsIn(folder)) {
    const path = join(folder, name)
    const stats = await lstat(path).catch(() => undefined)
    if (stats?.isFile() !== true) continue
    const ageMs = now - stats.mtimeMs
    if (ageMs > MAX_AGE_MS || (await isVain(path, ageMs))) stale.push({ path, size: stats.size })
  }
  return stale
}

async function isVain(path: string, ageMs: number): Promise<boolean> {
  const files = new Set<string>()
  for (const record of recordsIn(await readFile(path).catch(() => Buffer.alloc(0)))) files.add(record.path)
  if (files.size === 0) return ageMs > HOUR_MS
  for (const file of files) {
    const isThere = await stat(file).then(
      () => true,
      () => false
    )
    if (isThere) return false
  }
  return true
}

interface HashRecord {
  readonly path: string
  readonly print: FileFingerprint
  readonly first: number
  readonly digests: Uint8Array
}

function encode(path: string, print: FileFingerprint, first: number, digests: Uint8Array): Buffer {
  const name = Buffer.from(path)
  const record = Buffer.alloc(HEAD_BYTES + FIXED_BYTES + name.byteLength + digests.byteLength)
  const payload = record.subarray(HEAD_BYTES)
  payload.writeBigInt64LE(BigInt(print.size), 0)
  payload.writeBigInt64LE(print.mtimeNs, 8)
  payload.writeBigInt64LE(print.ctimeNs, 16)
  payload.writeBigUInt64LE(print.ino, 24)
  payload.writeBigUInt64LE(print.dev, 32)
  payload.writeUInt32LE(first, PRINT_BYTES)
  payload.writeUInt16LE(name.byteLength, PRINT_BYTES + 4)
  payload.set(name, FIXED_BYTES)
  payload.set(digests, FIXED_BYTES + name.byteLength)
  record.writeUInt32LE(payload.byteLength, 0)
  record.writeUInt32LE(crc32(payload), 4)
  return record
}

function decode(payload: Buffer): HashRecord | undefined {
  if (payload.byteLength < FIXED_BYTES) return undefined
  const nameEnd = FIXED_BYTES + payload.readUInt16LE(PRINT_BYTES + 4)
  if (nameEnd > payload.byteLength || (payload.byteLength - nameEnd) % DIGEST_BYTES !== 0) return undefined
  return {
    path: payload.toString('utf8', FIXED_BYTES, nameEnd),
    print: {
      size: Number(payload.readBigInt64LE(0)),
      mtimeNs: payload.readBigInt64LE(8),
      ctimeNs: payload.readBigInt64LE(16),
      ino: payload.readBigUInt64LE(24),
      dev: payload.readBigUInt64LE(32)
    },
    first: payload.readUInt32LE(PRINT_BYTES),
    digests: payload.subarray(nameEnd)
  }
}
