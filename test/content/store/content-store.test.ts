import { readdir, readFile, rename, stat, truncate, unlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CID } from 'multiformats/cid'
import { afterEach, describe, expect, test } from 'vitest'
import { ContentStore } from '../../../src/content/store/content-store.ts'
import type { StoredRoot } from '../../../src/content/store/stored-root.ts'
import { V0_2015 } from '../blocks.ts'
import { bytes, type Content, contentOf, layOut, pieceSpace, temporaryFolder } from './content.ts'

const open: ContentStore[] = []

async function openStore(dir: string): Promise<ContentStore> {
  const store = await ContentStore.open(dir)
  open.push(store)
  return store
}

afterEach(async () => {
  await Promise.all(open.splice(0).map(store => store.close()))
})

async function share(store: ContentStore, content: Content, path: string): Promise<StoredRoot> {
  const fingerprints = await layOut(content, path)
  return await store.addShared({
    manifest: content.manifest,
    blocks: content.blocks,
    path,
    name: 'thing',
    fingerprints
  })
}

function fetchInit(content: Content, path: string, force = false) {
  return { manifest: content.manifest, blocks: content.blocks, path, name: 'thing', force }
}

async function writeAll(root: StoredRoot, content: Content, pieces?: number[]): Promise<void> {
  for (const piece of pieces ?? Array.from({ length: root.pieces.count }, (_, i) => i)) {
    if (!root.have.has(piece)) await root.write(piece, 1, [content.piece(piece)])
  }
}

const folderTree = () => ({
  'a.bin': bytes(5500, 'a'),
  'deep/er/b.bin': bytes(3000, 'b'),
  'deep/same.bin': bytes(3000, 'b'),
  empty: Buffer.alloc(0),
  'hollow/none': 'folder' as const,
  ...Object.fromEntries(Array.from({ length: 70 }, (_, i) => [`many/${i}`, bytes(40, `m${i}`)]))
})

describe('sharing', () => {
  test('what is shared can be read, also after a restart', async () => {
    const dir = await temporaryFolder()
    const content = await contentOf(folderTree())
    const space = pieceSpace(content)
    let store = await openStore(join(dir, 'data'))
    let root = await share(store, content, join(dir, 'thing'))
    for (let round = 0; round < 2; round++) {
      expect(root.state).toBe('complete')
      expect(root.heldBytes).toBe(content.manifest.totalBytes)
      expect(root.have.isFull).toBe(true)
      expect(Buffer.from(await root.read(0, space.byteLength)).equals(space)).toBe(true)
      expect(Buffer.from(await root.read(999, 2002)).equals(space.subarray(999, 3001))).toBe(true)
      for (let i = 0; i < root.nodeCount; i++)
        expect(Buffer.from(await root.readNode(i))).toEqual(Buffer.from(content.blocks[i] ?? []))
      await store.close()
      store = await openStore(join(dir, 'data'))
      expect(store.damage).toEqual([])
      const again = store.get(content.manifest.root)
      if (again === undefined) throw new Error('the root is gone')
      root = again
      await root.load()
      expect(await root.checkFiles()).toEqual([])
    }
  })

  test('a raw root is its own node 0', async () => {
    const dir = await temporaryFolder()
    const content = await contentOf({ '': bytes(700, 'raw') })
    const store = await openStore(join(dir, 'data'))
    const root = await share(store, content, join(dir, 'f'))
    expect(root.nodeCount).toBe(1)
    expect(Buffer.from(await root.readNode(0)).equals(content.piece(0))).toBe(true)
  })
})

describe('fetching', () => {
  test.each([
    ['raw leaves', {}],
    ['dag-pb leaves', V0_2015]
  ])('pieces in any order give the same files (%s)', async (_, options) => {
    const dir = await temporaryFolder()
    const tree = { ...folderTree(), big: bytes(600_000, 'big') }
    const content = await contentOf(tree, 1000, options)
    const store = await openStore(join(dir, 'data'))
    const root = await store.beginFetch(fetchInit(content, join(dir, 'out')))
    expect(root.state).toBe('partial')
    const order = Array.from({ length: root.pieces.count }, (_, i) => i).sort(
      (a, b) => ((a * 7919) % 31) - ((b * 7919) % 31)
    )
    await writeAll(root, content, order)
    expect(root.have.isFull).toBe(true)
    const space = pieceSpace(content)
    expect(Buffer.from(await root.read(0, space.byteLength)).equals(space)).toBe(true)
    expect(await root.complete()).toEqual({ skipped: [] })
    expect(root.state).toBe('complete')
    for (const [path, want] of Object.entries(tree)) {
      if (want === 'folder') expect((await stat(join(dir, 'out', path))).isDirectory()).toBe(true)
      else expect((await readFile(join(dir, 'out', path))).equals(want as Buffer)).toBe(true)
    }
    expect((await readdir(dir)).sort()).toEqual(['data', 'out'])
    expect(Buffer.from(await root.read(0, space.byteLength)).equals(space)).toBe(true)
  })
})
