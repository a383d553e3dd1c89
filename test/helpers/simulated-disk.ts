/**
 * A disk with a page cache, for tests of what a power cut leaves behind. Writes and names are visible at once; bytes are
 * durable after `datasync` of their file, names after `syncFolder` of their folder. `afterCut` gives the disk that a
 * machine finds when the power is back: of what was not synced any part may be there, torn at sector boundaries and in
 * any order. Times and inode numbers are taken as durable.
 */
import { basename, dirname } from 'node:path'
import type { Random } from '../../src/base/random.ts'
import type { Disk, DiskFile, FileStats, OpenMode } from '../../src/content/store/disk.ts'

type FileOp = { readonly at: number; readonly bytes: Buffer } | { readonly size: number }

interface Inode {
  readonly ino: bigint
  readonly birth: bigint
  readonly kind: 'file' | 'folder' | 'link'
  readonly device: bigint
  links: number
  changed: bigint
  data: Buffer
  /** What is durable of `data`, and what came after, in order. */
  synced: Buffer
  pending: FileOp[]
  readonly names: Map<string, Inode>
}

/** One step of the file system's journal, all or nothing; undefined deletes a name. */
interface NameOp {
  readonly changes: ReadonlyArray<{ readonly folder: Inode; readonly name: string; readonly inode: Inode | undefined }>
}

/**
 * How much is promised. `posix`: only what was synced, each for itself. `journaled`, as ext4 and XFS are: names become
 * durable in the order in which they were made, all of them with any sync.
 */
export type FileSystemKind = 'posix' | 'journaled'

/**
 * What an operation meets before it takes effect: may throw, or shorten a write to so many bytes.
 * @param bytes those of its file that a read is for
 */
export type Trouble = (
  op: string,
  path: string,
  bytes?: { readonly from: number; readonly to: number }
) => Promise<number | undefined> | number | undefined

export function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code })
}

export class SimulatedDisk implements Disk {
  readonly kind: FileSystemKind
  /** Passed by every operation that reads or changes the disk, sync ones included. */
  trouble: Trouble = () => undefined
  free: number | undefined
  #root: Inode
  /** Names as they are on the disk itself, by folder. */
  #durable = new Map<Inode, Map<string, Inode>>()
  #journal: NameOp[] = []
  #ticks = 1n

  constructor(kind: FileSystemKind) {
    this.kind = kind
    this.#root = this.#make('folder')
  }

  async open(path: string, mode: OpenMode): Promise<DiskFile> {
    await this.trouble(mode === 'read' ? 'open' : 'create', path)
    const found = this.#find(path)
    if (found?.kind === 'link') throw systemError('ELOOP', path)
    if (found?.kind === 'folder' && mode !== 'read') throw systemError('EISDIR', path)
    if (found === undefined && mode === 'read') throw systemError('ENOENT', path)
    const inode = found ?? this.#addName(path, this.#make('file'))
    if (mode === 'replace') this.#change(inode, { size: 0 })
    return this.#handle(inode, path)
  }

  async lstat(path: string): Promise<FileStats> {
    return this.#statsOf(this.#need(path))
  }

  async mkdir(path: string): Promise<void> {
    await this.trouble('mkdir', path)
    if (this.#find(path) !== undefined) throw systemError('EEXIST', path)
    this.#addName(path, this.#make('folder'))
  }

  async mkdirs(path: string): Promise<string | undefined> {
    const there = this.#find(path)
    if (there !== undefined) {
      if (there.kind !== 'folder') throw systemError('EEXIST', path)
      return undefined
    }
    const first = await this.mkdirs(dirname(path))
    await this.trouble('mkdir', path)
    // somebody else may have made it meanwhile
    if (this.#find(path) === undefined) this.#addName(path, this.#make('folder'))
    return first ?? path
  }

  async readdir(path: string): Promise<string[]> {
    return [...this.#folder(path).names.keys()]
  }

  async readlink(path: string): Promise<string> {
    const inode = this.#need(path)
    if (inode.kind !== 'link') throw systemError('EINVAL', path)
    return inode.data.toString()
  }

  async symlink(target: string, path: string): Promise<void> {
    await this.trouble('symlink', path)
    if (this.#find(path) !== undefined) throw systemError('EEXIST', path)
    const inode = this.#make('link')
    inode.data = Buffer.from(target)
    inode.synced = inode.data
    this.#addName(path, inode)
  }

  async link(existing: string, path: string): Promise<void> {
    await this.trouble('link', path)
    const inode = this.#need(existing)
    if (this.#find(path) !== undefined) throw systemError('EEXIST', path)
    this.#addName(path, inode)
  }

  async rename(from: string, to: string): Promise<void> {
    await this.trouble('rename', to)
    const inode = this.#need(from)
    const there = this.#find(to)
    if (there === inode) return
    if (there?.kind === 'folder' && there.names.size > 0) throw systemError('ENOTEMPTY', to)
    this.#journalled([
      { folder: this.#folder(dirname(from)), name: basename(from), inode: undefined },
      { folder: this.#folder(dirname(to)), name: basename(to), inode }
    ])
    inode.changed = this.#tick()
  }

  async checkWritable(): Promise<void> {}

  async unlink(path: string): Promise<void> {
    await this.trouble('unlink', path)
    this.#need(path)
    this.#dropName(path)
  }

  async rmdir(path: string): Promise<void> {
    await this.trouble('rmdir', path)
    if (this.#folder(path).names.size > 0) throw systemError('ENOTEMPTY', path)
    this.#dropName(path)
  }

  async remove(path: string): Promise<void> {
    const inode = this.#find(path)
    if (inode === undefined) return
    for (const name of [...inode.names.keys()]) await this.remove(`${path}/${name}`)
    await this.trouble('remove', path)
    this.#dropName(path)
  }

  async freeBytes(): Promise<number | undefined> {
    return this.free
  }

  async syncFolder(path: string): Promise<void> {
    await this.trouble('syncFolder', path)
    const folder = this.#folder(path)
    if (this.kind === 'journaled') return this.#commit(() => true)
    this.#commit(op => op.changes.some(change => change.folder === folder))
  }

  /** For the test itself: a file that has been there for long, with the folders that it lies in. */
  plant(path: string, bytes: Uint8Array): FileStats {
    for (const folder of ancestors(path))
      if (this.#find(folder) === undefined) this.#addName(folder, this.#make('folder'))
    const inode = this.#addName(path, this.#make('file'))
    inode.data = Buffer.from(bytes)
    inode.synced = inode.data
    this.#commit(() => true)
    return this.#statsOf(inode)
  }

  /**
   * For the test itself: takes away the drive that is attached at `path`, where an empty folder of another file system
   * comes to light. The returned function attaches it again.
   */
  async detach(path: string): Promise<() => void> {
    const drive = this.#folder(path)
    const parent = this.#folder(dirname(path))
    parent.names.set(basename(path), { ...this.#make('folder'), device: 2n })
    return () => {
      parent.names.set(basename(path), drive)
    }
  }

  /** For the test itself: the bytes of a file, undefined where there is none. */
  peek(path: string): Buffer | undefined {
    const inode = this.#find(path)
    return inode?.kind === 'file' ? inode.data : undefined
  }

  /** For the test itself: every path. */
  *paths(folder = ''): Generator<string> {
    for (const [name, inode] of (folder === '' ? this.#root : this.#need(folder)).names) {
      yield `${folder}/${name}`
      if (inode.kind === 'folder') yield* this.paths(`${folder}/${name}`)
    }
  }

  /** What is there when the power is back. This disk is not to be used any more. */
  afterCut(random: Random): SimulatedDisk {
    const after = new SimulatedDisk(this.kind)
    const kept = this.#keptNames(random)
    for (const op of kept) this.#apply(this.#durable, op)
    const copies = new Map<Inode, Inode>()
    const copy = (inode: Inode): Inode => {
      const known = copies.get(inode)
      if (known !== undefined) {
        known.links += 1
        return known
      }
      const data = inode.kind === 'file' ? survivors(inode, random) : inode.synced
      const made: Inode = { ...inode, links: 1, data, synced: data, pending: [], names: new Map() }
      copies.set(inode, made)
      for (const [name, child] of this.#durable.get(inode) ?? []) made.names.set(name, copy(child))
      after.#durable.set(made, new Map(made.names))
      return made
    }
    after.#root = copy(this.#root)
    after.#ticks = this.#ticks
    return after
  }

  #keptNames(random: Random): NameOp[] {
    if (this.kind === 'journaled') return this.#journal.slice(0, random.below(this.#journal.length + 1))
    const share = random.next()
    return this.#journal.filter(() => random.next() < share)
  }

  #handle(inode: Inode, path: string): DiskFile {
    return {
      fd: -1,
      stat: () => this.#statsOf(inode),
      read: async (into, offset, length, position) => {
        await this.trouble('read', path, { from: position, to: position + length })
        if (inode.kind === 'folder') throw systemError('EISDIR', path)
        const part = inode.data.subarray(position, position + length)
        into.set(part, offset)
        return { bytesRead: part.byteLength }
      },
      writev: async (buffers, position) => {
        const limit = await this.trouble('write', path)
        const bytes = Buffer.concat(buffers).subarray(0, limit)
        this.#change(inode, { at: position, bytes })
        return { bytesWritten: bytes.byteLength }
      },
      truncate: async size => {
        await this.trouble('truncate', path)
        this.#change(inode, { size })
      },
      datasync: async () => {
        await this.trouble('sync', path)
        inode.synced = inode.data
        inode.pending = []
        if (this.kind === 'journaled') this.#commit(() => true)
      },
      close: async () => {}
    }
  }

  #change(inode: Inode, op: FileOp): void {
    inode.data = applied(inode.data, op)
    inode.pending.push(op)
    inode.changed = this.#tick()
  }

  #commit(which: (op: NameOp) => boolean): void {
    const rest: NameOp[] = []
    for (const op of this.#journal) {
      if (which(op)) this.#apply(this.#durable, op)
      else rest.push(op)
    }
    this.#journal = rest
  }

  #apply(names: Map<Inode, Map<string, Inode>>, { changes }: NameOp): void {
    for (const { folder, name, inode } of changes) {
      const there = names.get(folder) ?? new Map<string, Inode>()
      names.set(folder, there)
      if (inode === undefined) there.delete(name)
      else there.set(name, inode)
    }
  }

  #journalled(changes: NameOp['changes']): void {
    for (const { folder, name, inode } of changes) {
      const before = folder.names.get(name)
      if (before !== undefined) before.links -= 1
      if (inode === undefined) folder.names.delete(name)
      else {
        inode.links += 1
        folder.names.set(name, inode)
      }
      folder.changed = this.#tick()
    }
    this.#journal.push({ changes })
  }

  #addName(path: string, inode: Inode): Inode {
    this.#journalled([{ folder: this.#folder(dirname(path)), name: basename(path), inode }])
    return inode
  }

  #dropName(path: string): void {
    this.#journalled([{ folder: this.#folder(dirname(path)), name: basename(path), inode: undefined }])
  }

  #make(kind: Inode['kind']): Inode {
    const now = this.#tick()
    const nothing = Buffer.alloc(0)
    return {
      ...{ ino: now, birth: now, changed: now, kind, links: 0, device: 1n },
      ...{ data: nothing, synced: nothing, pending: [], names: new Map<string, Inode>() }
    }
  }

  #tick(): bigint {
    this.#ticks += 1n
    return this.#ticks
  }

  #find(path: string): Inode | undefined {
    let at: Inode | undefined = this.#root
    for (const name of path.split('/').filter(part => part !== '')) {
      if (at !== undefined && at.kind !== 'folder') throw systemError('ENOTDIR', path)
      at = at?.names.get(name)
    }
    return at
  }

  #need(path: string): Inode {
    const inode = this.#find(path)
    if (inode === undefined) throw systemError('ENOENT', path)
    return inode
  }

  #folder(path: string): Inode {
    const inode = this.#need(path)
    if (inode.kind !== 'folder') throw systemError('ENOTDIR', path)
    return inode
  }

  #statsOf({ ino, device, birth, changed, kind, links, data }: Inode): FileStats {
    return {
      ...{ ino, dev: device, birthtimeNs: birth, mtimeNs: changed, ctimeNs: changed },
      ...{ nlink: BigInt(links), uid: BigInt(process.geteuid?.() ?? 0), size: BigInt(data.byteLength) },
      isFile: () => kind === 'file',
      isDirectory: () => kind === 'folder',
      isSymbolicLink: () => kind === 'link'
    }
  }
}

function applied(data: Buffer, op: FileOp): Buffer {
  const length = 'size' in op ? op.size : Math.max(data.byteLength, op.at + op.bytes.byteLength)
  const next = Buffer.alloc(length)
  data.copy(next, 0, 0, Math.min(length, data.byteLength))
  if ('bytes' in op) op.bytes.copy(next, op.at)
  return next
}

/** Some of the unsynced writes, whole or in sectors: none, all, or any in between. */
function survivors({ synced, pending }: Inode, random: Random): Buffer {
  const share = random.below(3) === 0 ? random.below(2) : random.next()
  const sector = random.below(2) === 0 ? 512 : 4096
  const isTorn = random.below(2) === 0
  let data = synced
  for (const op of pending) {
    if ('size' in op || !isTorn) {
      if (random.next() < share) data = applied(data, op)
      continue
    }
    const end = op.at + op.bytes.byteLength
    for (let at = op.at; at < end; ) {
      const next = Math.min(end, (Math.floor(at / sector) + 1) * sector)
      if (random.next() < share) data = applied(data, { at, bytes: op.bytes.subarray(at - op.at, next - op.at) })
      at = next
    }
  }
  return data
}

function ancestors(path: string): string[] {
  const parts = path.split('/').slice(1, -1)
  return parts.map((_, i) => `/${parts.slice(0, i + 1).join('/')}`)
}
