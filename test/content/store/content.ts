/** Content for store tests: a manifest with its DAG nodes and piece blocks, and temporary folders. */
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { UnixFS } from 'ipfs-unixfs'
import type { ImporterOptions } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'
import { afterEach } from 'vitest'
import { DAG_PB } from '../../../src/content/cid.ts'
import { type FileFingerprint, fingerprintOf } from '../../../src/content/fingerprint.ts'
import type { Manifest } from '../../../src/content/manifest.ts'
import { keystream } from '../../helpers/keystream.ts'
import { assemble, BlockMap, folderNode, handNode, importWith, readFile } from '../blocks.ts'

export interface Content {
  readonly manifest: Manifest
  /** DAG nodes; empty for a raw root. */
  readonly blocks: Uint8Array[]
  piece(index: number): Uint8Array
  /** Bytes of a file entry. */
  file(entry: number): Buffer
}

export type Tree = Record<string, Uint8Array | 'folder'>

export const bytes = (length: number, seed: string): Buffer => Buffer.from(keystream(length, seed))

const small = (chunkSize: number): ImporterOptions => ({
  cidVersion: 1,
  rawLeaves: true,
  chunker: fixedSize({ chunkSize }),
  layout: balanced({ maxChildrenPerNode: 10 })
})

/** Raw leaves of `chunkSize` bytes. A single `''` is a file root. */
export async function contentOf(tree: Tree, chunkSize = 1000, options: ImporterOptions = {}): Promise<Content> {
  const blocks = new BlockMap()
  const single = tree['']
  const root =
    single === undefined
      ? await importWith(
          blocks,
          Object.entries(tree).map(([path, content]) =>
            content === 'folder' ? { path: `root/${path}` } : { path: `root/${path}`, content: content as Uint8Array }
          ),
          { ...small(chunkSize), ...options }
        )
      : await importWith(blocks, [{ content: single as Uint8Array }], { ...small(chunkSize), ...options })
  return made(assemble(root, blocks), blocks)
}

/** A file whose only block is a dag-pb node: no pieces at all. */
export function contentInOneNode(file: Buffer): Content {
  const blocks = new BlockMap()
  return made(assemble(blocks.add(DAG_PB, handNode(new UnixFS({ type: 'file', data: file }))), blocks), blocks)
}

/** A folder of symbolic links beside one file. */
export function contentWithLinks(file: Buffer, links: Record<string, string>): Content {
  const blocks = new BlockMap()
  const leaf = blocks.add(0x55, file)
  const children = [
    { name: 'file', cid: leaf, tsize: file.byteLength },
    ...Object.entries(links).map(([name, target]) => {
      const node = handNode(new UnixFS({ type: 'symlink', data: Buffer.from(target) }))
      return { name, cid: blocks.add(DAG_PB, node), tsize: node.byteLength }
    })
  ]
  return made(assemble(blocks.add(DAG_PB, folderNode(children)), blocks), blocks)
}

export function made(manifest: Manifest, blocks: BlockMap): Content {
  return {
    manifest,
    blocks: manifest.root.code === DAG_PB ? manifest.nodes.map(cid => blocks.get(cid.multihash.digest)) : [],
    piece: index => blocks.get(manifest.pieces.digest(index)),
    file: entry => readFile(manifest, blocks, entry)
  }
}

/** Writes the content's files as a user would have them. */
export async function layOut(content: Content, path: string): Promise<Map<number, FileFingerprint>> {
  const prints = new Map<number, FileFingerprint>()
  for (const [index, entry] of content.manifest.entries.entries()) {
    const at = entry.path === '' ? path : join(path, entry.path)
    if (entry.kind === 'directory') await mkdir(at, { recursive: true })
    if (entry.kind !== 'file') continue
    await mkdir(dirname(at), { recursive: true })
    await writeFile(at, content.file(index))
    prints.set(index, fingerprintOf(await stat(at, { bigint: true })))
  }
  return prints
}

/** All piece blocks one after another. */
export function pieceSpace(content: Content): Buffer {
  return Buffer.concat(Array.from({ length: content.manifest.pieces.count }, (_, i) => content.piece(i)))
}

export function isPiece(content: Content, index: number, block: Uint8Array): boolean {
  return createHash('sha256').update(block).digest().equals(content.manifest.pieces.digest(index))
}

const folders: string[] = []

/** A new folder, removed after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-store-'))
  folders.push(folder)
  return folder
}

afterEach(async () => {
  await Promise.all(folders.splice(0).map(folder => rm(folder, { recursive: true, force: true })))
})
