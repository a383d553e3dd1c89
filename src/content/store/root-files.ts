/**
 * The files of one root on disk: where each lies, its fingerprint, and reads that notice a change. Nothing here decides
 * what is held.
 */
import { sep } from 'node:path'
import { ShoalError, systemCode } from '../../base/errors.ts'
import { type FileFingerprint, fingerprintOf, identityOf, sameFingerprint } from '../fingerprint.ts'
import type { Manifest } from '../manifest.ts'
import { printable } from '../safe-path.ts'
import type { RecordOp } from './database.ts'
import type { Disk, DiskFile, FileStats } from './disk.ts'
import { FileHandles } from './file-handles.ts'
import { readFully } from './full-io.ts'
import { NewNames } from './new-names.ts'
import { encodeFingerprints, FILES_PER_RECORD, fileKey, type StoredFingerprint } from './records.ts'

const MAX_READ_HANDLES = 64

/** A file is not what it was. Never leaves the store: it starts a check of that file. */
export class SuspectFile extends Error {
  readonly entry: number
  /** A phrase that follows the file's name: `was deleted`, `is shorter than before`, … */
  readonly reason: string

  constructor(entry: number, reason: string, cause?: unknown) {
    super(`entry ${entry} ${reason}`, { cause })
    this.name = 'SuspectFile'
    this.entry = entry
    this.reason = reason
  }
}

/** The disk gives an error for some of it. */
export const UNREADABLE = 'cannot be read (input/output error)'

/** What a reader is told whose file changed under it. */
export function changedError({ reason }: SuspectFile, path: string, hint = 'share it again'): ShoalError {
  return new ShoalError('ERR_FILE_CHANGED', `${printable(path)} ${reason}`, {
    hint,
    details: { path, reason }
  })
}

export interface FileRead {
  readonly fileOffset: number
  readonly into: Uint8Array
}

export interface RootFilesInit {
  readonly disk: Disk
  readonly manifest: Manifest
  /** The file or folder of entry 0. */
  readonly base: string
  readonly isPartial: boolean
}

export class RootFiles {
  readonly disk: Disk
  readonly manifest: Manifest
  /** What a fetch made and did not sync yet. */
  readonly names: NewNames
  /** By entry. A file without one is read only with its hashes checked. Empty while `isPartial`. */
  readonly prints = new Map<number, StoredFingerprint>()
  /** While partial our own writes change the times: only the size and which file it is are compared. */
  isPartial: boolean
  /** The file or folder of entry 0. */
  base: string
  readonly #handles: FileHandles
  /** While partial: which file each entry's is, see `identityOf`. Unknown until it was opened first. */
  readonly #identities = new Map<number, string>()

  constructor({ disk, manifest, base, isPartial }: RootFilesInit) {
    this.disk = disk
    this.names = new NewNames(disk)
    this.#handles = new FileHandles(MAX_READ_HANDLES, path => disk.open(path, 'read'))
    this.manifest = manifest
    this.base = base
    this.isPartial = isPartial
  }

  path(entry: number): string {
    const path = this.manifest.entries[entry]?.path ?? ''
    // a checked path needs no `join`, which would be a twentieth of a fetch of small files
    return path === '' ? this.base : `${this.base}${sep}${sep === '/' ? path : path.replaceAll('/', sep)}`
  }

  size(entry: number): number {
    const found = this.manifest.entries[entry]
    return found?.kind === 'file' ? found.size : 0
  }

  /** From here on another file under its name is noticed; only of use while partial. */
  identify(entry: number, identity: string): void {
    this.#identities.set(entry, identity)
  }

  /** Whatever has its name next is taken for it. */
  forgetIdentity(entry: number): void {
    this.#identities.delete(entry)
  }

  /** Undefined for folders and for files that were not opened yet. */
  identity(entry: number): string | undefined {
    return this.#identities.get(entry)
  }

  /** Whether it is another file than the one that was identified, or deleted. */
  isReplaced(entry: number, stats: FileStats): boolean {
    const known = this.#identities.get(entry)
    // Without a name left it is an old file that only a handle keeps.
    return stats.nlink === 0n || (known !== undefined && known !== identityOf(stats))
  }

  /** Whether bytes of the file may be used on the strength of its fingerprint alone. */
  isTrusted(entry: number): boolean {
    return this.isPartial || this.prints.get(entry)?.altered === false
  }

  /** Whether a file with this fingerprint is the one that is known. */
  isUnchanged(entry: number, print: FileFingerprint): boolean {
    const known = this.isPartial ? undefined : this.prints.get(entry)
    return known !== undefined && sameFingerprint(known, print)
  }

  /** Reads with the fingerprint compared before and after. @throws SuspectFile */
  async read(entry: number, reads: readonly FileRead[]): Promise<void> {
    await this.withHandle(entry, async handle => {
      this.#compare(entry, handle.stat())
      for (const { fileOffset, into } of reads) {
        if ((await readFully(handle, into, fileOffset)) < into.byteLength) {
          throw new SuspectFile(entry, 'is shorter than before')
        }
      }
      this.#compare(entry, handle.stat())
    })
  }

  /** Whatever is there now; the caller hashes it. Returns fewer bytes where the file ends. @throws SuspectFile */
  async readUnchecked(entry: number, fileOffset: number, into: Uint8Array): Promise<number> {
    return await this.withHandle(entry, async handle => {
      if (!handle.stat().isFile()) throw new SuspectFile(entry, 'is no file any more')
      return await readFully(handle, into, fileOffset)
    })
  }

  /** @throws SuspectFile for whatever fails */
  async withHandle<T>(entry: number, work: (handle: DiskFile) => Promise<T>): Promise<T> {
    try {
      return await this.#handles.use(this.path(entry), work)
    } catch (err) {
      throw asSuspect(entry, err)
    }
  }

  /** The next read opens the file anew. */
  async reopen(entry: number): Promise<void> {
    await this.#handles.forget(this.path(entry))
  }

  async close(): Promise<void> {
    await this.#handles.closeAll()
  }

  /** The `file` records that hold these entries. */
  printOps(id: number, entries: Iterable<number>): RecordOp[] {
    const groups = new Set([...entries].map(entry => Math.floor(entry / FILES_PER_RECORD)))
    return [...groups].map(group => {
      const files: Array<readonly [number, StoredFingerprint]> = []
      for (let entry = group * FILES_PER_RECORD; entry < (group + 1) * FILES_PER_RECORD; entry++) {
        const print = this.prints.get(entry)
        if (print !== undefined) files.push([entry, print])
      }
      return { type: 'put', key: fileKey(id, group), value: encodeFingerprints(files) }
    })
  }

  /** Where pieces lie in the file of the entry, in its order. */
  *spans(index: number): Generator<{ piece: number; fileOffset: number; length: number }> {
    const entry = this.manifest.entries[index]
    if (entry?.kind !== 'file') return
    for (let k = entry.firstSpan; k < entry.firstSpan + entry.spanCount; k++) yield this.manifest.span(k)
  }

  /** Whether it is a file with bytes of pieces. An empty piece needs no file. */
  holdsPieces(index: number): boolean {
    const entry = this.manifest.entries[index]
    return entry?.kind === 'file' && entry.size > 0 && entry.spanCount > 0
  }

  /** Entries of files that hold bytes of pieces, in order. */
  *filesWithPieces(): Generator<number> {
    for (const index of this.manifest.entries.keys()) if (this.holdsPieces(index)) yield index
  }

  *emptyFiles(): Generator<number> {
    for (const [index, entry] of this.manifest.entries.entries()) {
      if (entry.kind === 'file' && entry.size === 0) yield index
    }
  }

  /** How the file on disk differs from its fingerprint, or undefined where it does not. */
  difference(entry: number, stats: FileStats): string | undefined {
    if (!stats.isFile()) return stats.isSymbolicLink() ? 'was replaced by a symbolic link' : 'is no file any more'
    const size = Number(stats.size)
    if (this.isPartial) {
      if (this.isReplaced(entry, stats)) return 'was replaced'
      return size === this.size(entry) ? undefined : 'has another size'
    }
    const print = this.prints.get(entry)
    if (print === undefined) return 'is not known'
    if (sameFingerprint(print, fingerprintOf(stats))) return undefined
    return size < print.size ? 'is shorter than before' : size > print.size ? 'is longer than before' : 'was changed'
  }

  #compare(entry: number, stats: FileStats): void {
    const difference = this.difference(entry, stats)
    if (difference !== undefined) throw new SuspectFile(entry, difference)
  }
}

function asSuspect(entry: number, err: unknown): Error {
  // Ours is no fault of the file: an interruption, or a thread that died.
  if (err instanceof SuspectFile || err instanceof ShoalError) return err
  const system = systemCode(err)
  switch (system) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new SuspectFile(entry, 'was deleted', err)
    case 'EACCES':
    case 'EPERM':
      return new SuspectFile(entry, 'cannot be read any more (no permission)', err)
    case 'ELOOP':
      return new SuspectFile(entry, 'was replaced by a symbolic link', err)
    case 'EIO':
      return new SuspectFile(entry, UNREADABLE, err)
    case 'EMFILE':
    case 'ENFILE':
    case undefined:
      // Our own trouble, not the file's.
      return err instanceof Error ? err : new Error(String(err))
    default:
      return new SuspectFile(entry, `cannot be read (${system})`, err)
  }
}
