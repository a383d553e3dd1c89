import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { CID } from 'multiformats/cid'
import { describe, expect, test } from 'vitest'
import { V0_2015 } from '../blocks.ts'
import { bytes, contentInOneNode, contentOf, pieceSpace, temporaryFolder } from './content.ts'
import { beginFetch, codeOf, found, openStore, share, writePieces } from './stores.ts'

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
      for (const [i, block] of content.blocks.entries()) {
        expect(Buffer.from(await root.readNode(i)).equals(block)).toBe(true)
      }
      await store.close()
      store = await openStore(join(dir, 'data'))
      expect(store.damage).toEqual([])
      root = found(store, content)
      expect(root.isLoaded).toBe(false)
      expect([root.pieceCount, root.nodeCount, root.heldBytes]).toEqual([
        content.manifest.pieces.count,
        content.blocks.length,
        content.manifest.totalBytes
      ])
      await root.load()
      expect(await root.checkFiles()).toEqual([])
    }
    expect((await stat(join(dir, 'data'))).mode & 0o777).toBe(0o700)
    expect((await stat(join(dir, 'data', 'store'))).mode & 0o777).toBe(0o700)
  })

  test('a raw root is its own node 0', async () => {
    const dir = await temporaryFolder()
    const content = await contentOf({ '': bytes(700, 'raw') })
    let store = await openStore(join(dir, 'data'))
    await share(store, content, join(dir, 'f'))
    await store.close()
    store = await openStore(join(dir, 'data'))
    const root = found(store, content)
    await root.load()
    expect(root.nodeCount).toBe(1)
    expect(Buffer.from(await root.readNode(0)).equals(content.piece(0))).toBe(true)
  })

  test('CIDv0 and v1 of a root are one; sharing again re-points it', async () => {
    const dir = await temporaryFolder()
    const content = await contentOf(folderTree())
    const store = await openStore(join(dir, 'data'))
    const first = await share(store, content, join(dir, 'one'))
    const second = await share(store, content, join(dir, 'two'))
    expect(store.roots()).toEqual([second])
    expect(store.get(CID.createV0(content.manifest.root.multihash as never))).toBe(second)
    expect(second.path).toBe(join(dir, 'two'))
    // A transfer that still holds the old one can go on reading.
    expect((await first.read(0, 10)).byteLength).toBe(10)
    await store.close()
    const again = await openStore(join(dir, 'data'))
    expect(again.roots().map(({ path }) => path)).toEqual([join(dir, 'two')])
  })

  test('sharing what is being fetched completes it and drops the temporary file', async () => {
    const dir = await temporaryFolder()
    const content = await contentOf(folderTree())
    const store = await openStore(join(dir, 'data'))
    const fetching = await beginFetch(store, content, join(dir, 'out'))
    await writePieces(fetching, content, [0, 1])
    const shared = await share(store, content, join(dir, 'mine'))
    expect(store.roots()).toEqual([shared])
    expect(shared.state).toBe('complete')
    expect((await readdir(dir)).sort()).toEqual(['data', 'mine'])
    expect(await codeOf(fetching.write(2, 1, [content.piece(2)]))).toBe('ERR_UNKNOWN_ROOT')
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
    const space = pieceSpace(content)
    let store = await openStore(join(dir, 'data'))
    let root = await beginFetch(store, content, join(dir, 'out'))
    expect(root.state).toBe('partial')
    const order = Array.from({ length: root.pieces.count }, (_, i) => i)
    order.sort((a, b) => ((a * 7919) % 31) - ((b * 7919) % 31))
    await writePieces(root, content, order)
    expect(root.have.isFull).toBe(true)
    expect(root.heldBytes).toBe(root.totalBytes)
    expect(Buffer.from(await root.read(0, space.byteLength)).equals(space)).toBe(true)
    expect(await root.complete()).toEqual({ skipped: [] })
    expect(root.state).toBe('complete')
    for (const [path, want] of Object.entries(tree)) {
      if (want === 'folder') expect((await stat(join(dir, 'out', path))).isDirectory()).toBe(true)
      else expect((await readFile(join(dir, 'out', path))).equals(want as Buffer)).toBe(true)
    }
    expect((await readdir(dir)).sort()).toEqual(['data', 'out'])
    expect(Buffer.from(await root.read(0, space.byteLength)).equals(space)).toBe(true)
    await store.close()
    store = await openStore(join(dir, 'data'))
    root = found(store, content)
    expect(await root.checkFiles()).toEqual([])
    expect(root.state).toBe('complete')
    expect(Buffer.from(await root.read(3, space.byteLength - 5)).equals(space.subarray(3, -2))).toBe(true)
    for (const [index, entry] of content.manifest.entries.entries()) {
      if (entry.kind !== 'file' || entry.size < 30) continue
      const part = await root.readEntry(index, 3, entry.size - 7)
      expect(Buffer.from(part).equals(content.file(index).subarray(3, -4))).toBe(true)
    }
  })

  test('one write of many pieces, cut anywhere', async () => {
    const dir = await temporaryFolder()
    const content = await contentOf(folderTree())
    const space = pieceSpace(content)
    const store = await openStore(join(dir, 'data'))
    const root = await beginFetch(store, content, join(dir, 'out'))
    const parts: Buffer[] = []
    for (let at = 0; at < space.byteLength; at += 333) parts.push(space.subarray(at, at + 333))
    await root.write(0, root.pieces.count, parts)
    await root.complete()
    expect((await readFile(join(dir, 'out', 'a.bin'))).equals(bytes(5500, 'a'))).toBe(true)
    expect((await readFile(join(dir, 'out', 'deep/same.bin'))).equals(bytes(3000, 'b'))).toBe(true)
  })

  test.each([
    ['a small file', bytes(700, 'small')],
    ['an empty file', Buffer.alloc(0)]
  ])('the block of a raw root is all there is to fetch: %s', async (_, data) => {
    const dir = await temporaryFolder()
    const content = await contentOf({ '': data })
    const store = await openStore(join(dir, 'data'))
    const { manifest } = content
    const root = await store.beginFetch({
      manifest,
      blocks: [content.piece(0)],
      path: join(dir, 'f'),
      name: 'f',
      force: false
    })
    expect(root.have.isFull).toBe(true)
    await root.complete()
    expect((await readFile(join(dir, 'f'))).equals(data)).toBe(true)
    expect(Buffer.from(await root.readNode(0)).equals(data)).toBe(true)
  })

  test('a file inside one dag-pb block has no pieces', async () => {
    const dir = await temporaryFolder()
    const content = contentInOneNode(bytes(700, 'inline'))
    expect(content.manifest.pieces.count).toBe(0)
    const store = await openStore(join(dir, 'data'))
    const root = await beginFetch(store, content, join(dir, 'f'))
    expect(root.have.isFull).toBe(true)
    await root.complete()
    expect((await readFile(join(dir, 'f'))).equals(bytes(700, 'inline'))).toBe(true)
    expect(Buffer.from(await root.readEntry(0, 5, 600)).equals(bytes(700, 'inline').subarray(5, 605))).toBe(true)
  })
})

describe('removing', () => {
  test('drops records and temporary files, never files of the user', async () => {
    const dir = await temporaryFolder()
    const shared = await contentOf({ x: bytes(3000, 'x'), y: bytes(10, 'y') })
    const fetched = await contentOf({ '': bytes(3000, 'z') })
    const store = await openStore(join(dir, 'data'))
    await share(store, shared, join(dir, 'mine'))
    await writePieces(await beginFetch(store, fetched, join(dir, 'out')), fetched, [1])
    expect((await readdir(dir)).length).toBe(3)
    expect((await store.remove(shared.manifest.root)).path).toBe(join(dir, 'mine'))
    await store.remove(fetched.manifest.root)
    expect(store.roots()).toEqual([])
    expect((await readdir(dir)).sort()).toEqual(['data', 'mine'])
    expect(await codeOf(store.remove(shared.manifest.root))).toBe('ERR_UNKNOWN_ROOT')
    await store.close()
    const again = await openStore(join(dir, 'data'))
    expect(again.roots()).toEqual([])
    expect(again.damage).toEqual([])
  })
})

describe('key-value', () => {
  test('values survive a restart and are listed by prefix', async () => {
    const dir = await temporaryFolder()
    let store = await openStore(dir)
    await store.kv.put('peers/a', Buffer.from('1'))
    await store.kv.put('peers/b', Buffer.from('2'))
    await store.kv.put('other/c', Buffer.from('3'), { sync: false })
    await store.kv.batch([
      { key: 'peers/d', value: Buffer.from('4') },
      { key: 'peers/a', value: null }
    ])
    await store.close()
    store = await openStore(dir)
    const listed: string[] = []
    for await (const { key, value } of store.kv.entries('peers/')) listed.push(`${key}=${Buffer.from(value)}`)
    expect(listed).toEqual(['peers/b=2', 'peers/d=4'])
    expect(Buffer.from((await store.kv.get('other/c')) ?? []).toString()).toBe('3')
    expect(await store.kv.get('none')).toBeUndefined()
  })
})
