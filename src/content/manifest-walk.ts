/**
 * Unfolds a complete set of DAG nodes into the manifest: every path, every stretch of every file. Identical subtrees
 * are walked as often as they occur, within limits; nothing recurses, so depth costs no stack.
 */
import type { CID } from 'multiformats/cid'
import { RAW } from './cid.ts'
import { DagNode } from './dag-node.ts'
import { FlatManifest } from './flat-manifest.ts'
import { malformedRoot } from './malformed-root.ts'
import type { InlineSpan, Manifest, ManifestEntry } from './manifest.ts'
import { MAX_PATH_BYTES, type ManifestLimits, MIN_VISIT_BYTES } from './manifest-limits.ts'
import { PieceNumbering } from './piece-numbering.ts'
import { decodeName, nameProblem, printable } from './safe-path.ts'

export interface NodeSource {
  readonly root: CID
  /** CIDs by node index. */
  readonly nodes: readonly CID[]
  block(node: number): Uint8Array
  /** The index of a dag-pb node that a link names. */
  indexOf(digest: Uint8Array, at: number): number
}

/** A file under construction: the entry's span count is known when its last node was walked. */
type FileEntry = {
  -readonly [K in keyof Extract<ManifestEntry, { kind: 'file' }>]: Extract<ManifestEntry, { kind: 'file' }>[K]
}

interface FolderFrame {
  readonly kind: 'folder'
  readonly node: DagNode
  next: number
  readonly path: string
  readonly pathBytes: number
  /** Names of the whole folder: the shards of a HAMT share one set. */
  readonly names: Set<string>
}

interface FileFrame {
  readonly kind: 'file'
  readonly node: DagNode
  next: number
  readonly index: number
  readonly entry: FileEntry
  /** Where the next link's bytes begin in the file. */
  offset: number
}

/** @throws ERR_MALFORMED_ROOT */
export function walkManifest(source: NodeSource, limits: ManifestLimits): Manifest {
  const walk = new Walk(source, limits)
  walk.run()
  return walk.finish()
}

/** The manifest of a file that is a single raw block. @param size bytes of the block */
export function walkRawRoot(root: CID, size: number): Manifest {
  const pieces = new PieceNumbering()
  pieces.add(root.multihash.digest, 0, RAW, size, size)
  return new FlatManifest({
    root,
    nodes: [root],
    pieces: pieces.toMap(),
    entries: [{ kind: 'file', path: '', size, firstSpan: 0, spanCount: 1 }],
    inline: [],
    totalBytes: size,
    spans: { entry: new Int32Array(1), piece: new Int32Array(1), fileOffset: new Float64Array(1) }
  })
}

class Walk {
  readonly #source: NodeSource
  readonly #limits: ManifestLimits
  readonly #stack: Array<FolderFrame | FileFrame> = []
  readonly #entries: ManifestEntry[] = []
  readonly #inline: InlineSpan[] = []
  readonly #pieces = new PieceNumbering()
  readonly #spanEntry: number[] = []
  readonly #spanPiece: number[] = []
  readonly #spanOffset: number[] = []
  #pathBytes = 0
  #totalBytes = 0
  #repeatedBytes = 0
  /** Nodes that were visited: they are numbered in the order of their first appearance. */
  #visited = 0
  /** Entries and spans that may be there by now: see ManifestLimits.repeats. */
  #allowed: number

  constructor(source: NodeSource, limits: ManifestLimits) {
    this.#source = source
    this.#limits = limits
    // the root is an entry that no link names
    this.#allowed = limits.repeats + 1
  }

  run(): void {
    this.#enterNode(0, '', 0)
    for (let frame = this.#stack.at(-1); frame !== undefined; frame = this.#stack.at(-1)) {
      const done = frame.kind === 'file' ? this.#walkFile(frame) : this.#walkFolder(frame)
      if (done) this.#leave()
    }
  }

  finish(): Manifest {
    return new FlatManifest({
      root: this.#source.root,
      nodes: this.#source.nodes,
      pieces: this.#pieces.toMap(),
      entries: this.#entries,
      inline: this.#inline,
      totalBytes: this.#totalBytes,
      spans: {
        entry: new Int32Array(this.#spanEntry),
        piece: new Int32Array(this.#spanPiece),
        fileOffset: new Float64Array(this.#spanOffset)
      }
    })
  }

  /** Follows links until one opens a frame of its own. Returns true when the folder has no more links. */
  #walkFolder(frame: FolderFrame): boolean {
    const { node } = frame
    const prefixLength = node.prefixLength
    while (frame.next < node.linkCount) {
      const link = frame.next++
      const stored = node.nameBytes(link)
      if (node.kind === 'hamt') {
        checkPrefix(stored, prefixLength)
        if (stored.byteLength === prefixLength) {
          this.#enterSubShard(frame, link)
          return false
        }
      }
      const bytes = prefixLength === 0 ? stored : stored.subarray(prefixLength)
      const name = checkName(bytes, frame)
      const path = frame.path === '' ? name : `${frame.path}/${name}`
      const pathBytes = frame.pathBytes + bytes.byteLength + (frame.path === '' ? 0 : 1)
      if (pathBytes > MAX_PATH_BYTES) throw malformedRoot(`a path of ${pathBytes} bytes`)
      if (node.codec(link) === RAW) this.#rawFile(node, link, path, pathBytes)
      else if (this.#enterNode(this.#nodeOf(node, link), path, pathBytes)) return false
    }
    return true
  }

  /** Follows links until one opens a frame of its own. Returns true when the node has no more links. */
  #walkFile(frame: FileFrame): boolean {
    const { node } = frame
    while (frame.next < node.linkCount) {
      const link = frame.next++
      const size = node.blockSizes[link] ?? 0
      const offset = frame.offset
      frame.offset += size
      if (node.leadsToNode(link)) {
        const index = this.#nodeOf(node, link)
        const child = this.#decode(index)
        if (child.kind !== 'file') throw malformedRoot(`a ${child.kind} within a file`)
        if (child.fileSize !== size) {
          throw malformedRoot(
            `a part of ${show(frame.entry.path)} holds ${child.fileSize} bytes, its link states ${size}`
          )
        }
        this.#pushFile(child, index, frame.index, frame.entry, offset)
        return false
      }
      const codec = node.codec(link)
      const wire = codec === RAW ? size : (node.tsize(link) ?? 0)
      this.#addSpan(frame.index, this.#pieces.add(node.block, node.digestOffset(link), codec, wire, size), offset)
    }
    return true
  }

  /** Adds the entry; returns whether it opened a frame. */
  #enterNode(index: number, path: string, pathBytes: number): boolean {
    const node = this.#decode(index)
    switch (node.kind) {
      case 'directory':
      case 'hamt':
        this.#addEntry({ kind: 'directory', path }, pathBytes)
        this.#push({ kind: 'folder', node, next: 0, path, pathBytes, names: new Set() })
        return true
      case 'symlink':
        this.#addEntry({ kind: 'symlink', path, target: symlinkTarget(node, path) }, pathBytes + node.dataLength)
        return false
      case 'file': {
        const entry: FileEntry = {
          kind: 'file',
          path,
          size: node.fileSize,
          firstSpan: this.#spanPiece.length,
          spanCount: 0
        }
        const entryIndex = this.#addEntry(entry, pathBytes)
        this.#count(node.fileSize)
        this.#pushFile(node, index, entryIndex, entry, 0)
        return true
      }
    }
  }

  #enterSubShard(parent: FolderFrame, link: number): void {
    const { node, path, pathBytes, names } = parent
    if (node.codec(link) === RAW) throw malformedRoot('a HAMT shard that is a raw block')
    const shard = this.#decode(this.#nodeOf(node, link))
    if (shard.kind !== 'hamt') throw malformedRoot(`a ${shard.kind} where a HAMT shard belongs`)
    if (shard.fanout !== node.fanout) throw malformedRoot('HAMT shards of different width in one folder')
    this.#push({ kind: 'folder', node: shard, next: 0, path, pathBytes, names })
  }

  #rawFile(node: DagNode, link: number, path: string, pathBytes: number): void {
    const size = node.tsize(link)
    if (size === undefined) throw malformedRoot(`no size is stated for ${show(path)}`)
    const piece = this.#pieces.add(node.block, node.digestOffset(link), RAW, size, size)
    const entry = this.#addEntry(
      { kind: 'file', path, size, firstSpan: this.#spanPiece.length, spanCount: 1 },
      pathBytes
    )
    this.#count(size)
    this.#addSpan(entry, piece, 0)
  }

  #pushFile(node: DagNode, nodeIndex: number, index: number, entry: FileEntry, fileOffset: number): void {
    if (node.dataLength > 0) {
      this.#inline.push({
        entry: index,
        fileOffset,
        node: nodeIndex,
        nodeOffset: node.dataOffset,
        length: node.dataLength
      })
    }
    this.#push({ kind: 'file', node, next: 0, index, entry, offset: fileOffset + node.dataLength })
  }

  #push(frame: FolderFrame | FileFrame): void {
    if (this.#stack.length >= this.#limits.depth) throw malformedRoot(`more than ${this.#limits.depth} levels`)
    this.#stack.push(frame)
  }

  #leave(): void {
    const frame = this.#stack.pop()
    if (frame?.kind === 'file') frame.entry.spanCount = this.#spanPiece.length - frame.entry.firstSpan
  }

  #addEntry(entry: ManifestEntry, bytes: number): number {
    if (this.#entries.length >= this.#limits.entries) {
      throw malformedRoot(`more than ${this.#limits.entries} files and folders`)
    }
    this.#checkRepeats()
    this.#pathBytes += bytes
    if (this.#pathBytes > this.#limits.pathBytes) throw malformedRoot('more bytes of names than fit in memory')
    return this.#entries.push(entry) - 1
  }

  #addSpan(entry: number, piece: number, fileOffset: number): void {
    if (this.#spanPiece.length >= this.#limits.spans) throw malformedRoot(`more than ${this.#limits.spans} pieces`)
    this.#checkRepeats()
    this.#spanEntry.push(entry)
    this.#spanPiece.push(piece)
    this.#spanOffset.push(fileOffset)
  }

  #count(bytes: number): void {
    this.#totalBytes += bytes
    if (!Number.isSafeInteger(this.#totalBytes)) throw malformedRoot('more than 2^53 bytes')
  }

  #nodeOf(node: DagNode, link: number): number {
    return this.#source.indexOf(node.block, node.digestOffset(link))
  }

  #decode(index: number): DagNode {
    const block = this.#source.block(index)
    const isNew = index === this.#visited
    if (!isNew) this.#repeatedBytes += Math.max(block.byteLength, MIN_VISIT_BYTES)
    if (this.#repeatedBytes > this.#limits.repeatedBytes) throw malformedRoot('subtrees repeated without end')
    const node = new DagNode(block, this.#limits.links)
    if (isNew) {
      this.#visited += 1
      // a link is an entry, a span, or, to a raw file in a folder, both
      this.#allowed += node.linkCount * 2
    }
    return node
  }

  #checkRepeats(): void {
    if (this.#entries.length + this.#spanPiece.length >= this.#allowed) {
      throw malformedRoot('more files and pieces by repetition than are read')
    }
  }
}

function checkPrefix(name: Uint8Array, length: number): void {
  for (let i = 0; i < length; i++) {
    const byte = name[i] ?? 0
    const hex = (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46)
    if (!hex) throw malformedRoot('a HAMT shard with a name that lacks its prefix')
  }
}

function checkName(bytes: Uint8Array, folder: FolderFrame): string {
  const where = folder.path === '' ? 'its root' : show(folder.path)
  const problem = nameProblem(bytes)
  if (problem !== undefined) throw malformedRoot(`${problem} in ${where}`)
  const name = decodeName(bytes)
  if (name === undefined) throw malformedRoot(`a name that is not UTF-8 in ${where}`)
  if (folder.names.has(name)) throw malformedRoot(`the name ${show(name)} twice in ${where}`)
  folder.names.add(name)
  return name
}

function symlinkTarget(node: DagNode, path: string): string {
  const bytes = node.block.subarray(node.dataOffset, node.dataOffset + node.dataLength)
  const target = decodeName(bytes)
  if (target === undefined || target === '' || target.includes('\0') || bytes.byteLength > MAX_PATH_BYTES) {
    throw malformedRoot(`a symbolic link without a usable target: ${show(path)}`)
  }
  return target
}

function show(path: string): string {
  return path === '' ? 'the file' : JSON.stringify(printable(path))
}
