/** A disk that fails in every way a system call can: what is told, what is kept, and that it goes on afterwards. */
import { describe, expect, test } from 'vitest'
import { fingerprintOf } from '../../../src/content/fingerprint.ts'
import { ContentStore } from '../../../src/content/store/content-store.ts'
import { Database } from '../../../src/content/store/database.ts'
import type { StoredRoot } from '../../../src/content/store/stored-root.ts'
import { SimulatedDisk, systemError } from '../../helpers/simulated-disk.ts'
import { SimulatedLevel } from '../../helpers/simulated-level.ts'
import { bytes, type Content, contentOf, isPiece } from './content.ts'
import { codeOf, writePieces } from './stores.ts'

const TREE = { a: bytes(4000, 'a'), 'b/c': bytes(2500, 'c') }

async function started(kind: 'fetch' | 'share' = 'fetch') {
  const disk = new SimulatedDisk('posix')
  const level = new SimulatedLevel()
  const content = await contentOf(TREE, 500)
  const openDatabase = async (folder: string) => new Database(folder, level)
  for (const [path, data] of Object.entries(TREE)) disk.plant(`/home/own/${path}`, data)
  disk.plant('/home/out/other', bytes(1, 'other'))
  const store = await ContentStore.open('/home/data', { disk, openDatabase })
  const { manifest, blocks } = content
  const init = { manifest, blocks, name: 'thing' }
  const root =
    kind === 'fetch'
      ? await store.beginFetch({ ...init, path: '/home/out/thing', force: false })
      : await share(store, disk, content)
  return { disk, level, content, store, root }
}

async function share(store: ContentStore, disk: SimulatedDisk, content: Content): Promise<StoredRoot> {
  const { manifest, blocks } = content
  const fingerprints = new Map()
  for (const [index, entry] of manifest.entries.entries()) {
    if (entry.kind === 'file') fingerprints.set(index, fingerprintOf(await disk.lstat(`/home/own/${entry.path}`)))
  }
  return await store.addShared({ manifest, blocks, name: 'thing', path: '/home/own', fingerprints })
}

/** Fails the n-th operation of that kind, and all after it until it is mended. */
function breakAt(disk: SimulatedDisk, op: string, { nth = 1, code }: { nth?: number; code: string }): () => void {
  let left = nth
  disk.trouble = (name, path) => {
    if (name === op && path.startsWith('/home/o') && --left <= 0) throw systemError(code, path)
    return undefined
  }
  return () => {
    disk.trouble = () => undefined
  }
}

describe('a fetch', () => {
  test.each([
    ['write', 'ENOSPC', 'ERR_NO_SPACE'],
    ['write', 'EDQUOT', 'ERR_NO_SPACE'],
    ['write', 'EIO', 'ERR_IO'],
    ['write', 'EROFS', 'ERR_READ_ONLY'],
    ['create', 'EROFS', 'ERR_READ_ONLY'],
    ['create', 'EACCES', 'ERR_NO_PERMISSION'],
    ['truncate', 'ENOSPC', 'ERR_NO_SPACE'],
    ['mkdir', 'ENOSPC', 'ERR_NO_SPACE'],
    ['sync', 'EIO', 'ERR_IO'],
    ['sync', 'ENOSPC', 'ERR_NO_SPACE'],
    ['syncFolder', 'EIO', 'ERR_IO'],
    ['rename', 'EROFS', 'ERR_READ_ONLY']
  ])('whose %s answers %s says %s, keeps what is right, and goes on', async (op, code, told) => {
    for (let nth = 1; nth <= 4; nth++) {
      const { disk, content, store, root } = await started()
      const mend = breakAt(disk, op, { nth, code })
      const work = async () => {
        await writePieces(root, content)
        await root.complete()
      }
      const said = await codeOf(work())
      if (nth === 1) expect(said).toBe(told)
      for (const piece of root.have.ones()) {
        const block = await root.read(root.pieces.offset(piece), root.pieces.wireSize(piece))
        expect(isPiece(content, piece, block)).toBe(true)
      }
      if (said !== 'none') expect([said, root.state]).toEqual([told, 'partial'])
      mend()
      if (said !== 'none') {
        await root.probeDisk()
        await work()
      }
      for (const [path, data] of Object.entries(TREE)) {
        expect(disk.peek(`/home/out/thing/${path}`)?.equals(data)).toBe(true)
      }
      expect((await root.verify()).bad).toEqual([])
      await store.close()
    }
  })

  test('goes on where a write was short', async () => {
    const { disk, content, root } = await started()
    disk.trouble = op => (op === 'write' ? 7 : undefined)
    await writePieces(root, content)
    await root.complete()
    expect(disk.peek('/home/out/thing/a')?.equals(TREE.a)).toBe(true)
  })

  test('says that it lacks space before it goes on', async () => {
    const { disk, root } = await started()
    disk.free = 100
    expect(await codeOf(root.probeDisk())).toBe('ERR_NO_SPACE')
    disk.free = 10_000
    expect(await codeOf(root.probeDisk())).toBe('none')
  })

  test('whose drive is gone makes nothing in its place, and goes on when it is back', async () => {
    for (const isSingle of [false, true]) {
      const disk = new SimulatedDisk('posix')
      const level = new SimulatedLevel()
      const content = await contentOf(isSingle ? { '': TREE.a } : TREE, 500)
      disk.plant('/mnt/usb/there', bytes(1, 'there'))
      const store = await ContentStore.open('/home/data', { disk, openDatabase: async f => new Database(f, level) })
      const { manifest, blocks } = content
      const root = await store.beginFetch({ manifest, blocks, name: 'thing', path: '/mnt/usb/thing', force: false })
      await writePieces(root, content, [0])
      await root.flush()
      const attach = await disk.detach('/mnt/usb')
      await root.parts.writer.close()
      await root.parts.files.close()
      await expect(writePieces(root, content)).rejects.toMatchObject({
        code: 'ERR_IO',
        message: expect.stringContaining('is gone')
      })
      expect(await codeOf(root.probeDisk())).toBe('ERR_IO')
      expect([...disk.paths('/mnt/usb')]).toEqual([])
      attach()
      await root.probeDisk()
      await writePieces(root, content)
      await root.complete()
      expect(disk.peek(`/mnt/usb/thing${isSingle ? '' : '/a'}`)?.equals(TREE.a)).toBe(true)
      await store.close()
    }
  })

  test('whose folder was deleted says so, and goes on when it is made again', async () => {
    for (const isSingle of [false, true]) {
      const disk = new SimulatedDisk('posix')
      const level = new SimulatedLevel()
      const content = await contentOf(isSingle ? { '': TREE.a } : TREE, 500)
      disk.plant('/home/out/deep/there', bytes(1, 'there'))
      const store = await ContentStore.open('/home/data', { disk, openDatabase: async f => new Database(f, level) })
      const { manifest, blocks } = content
      const root = await store.beginFetch({
        manifest,
        blocks,
        name: 'thing',
        path: '/home/out/deep/thing',
        force: false
      })
      await writePieces(root, content, [0])
      await root.flush()
      await disk.remove('/home/out')
      await root.parts.writer.close()
      await root.parts.files.close()
      await expect(writePieces(root, content)).rejects.toMatchObject({
        code: 'ERR_IO',
        message: 'the folder /home/out/deep was deleted, with what was fetched there',
        hint: 'make it again and run the same command again'
      })
      expect(await codeOf(root.probeDisk())).toBe('ERR_IO')
      await disk.mkdirs('/home/out/deep')
      const again = await store.beginFetch({
        manifest,
        blocks,
        name: 'thing',
        path: '/home/out/deep/thing',
        force: false
      })
      await writePieces(again, content)
      await again.complete()
      expect(disk.peek(`/home/out/deep/thing${isSingle ? '' : '/a'}`)?.equals(TREE.a)).toBe(true)
      await store.close()
    }
  })

  test('whose drive was gone at a start has its pieces when it is there at the next', async () => {
    const disk = new SimulatedDisk('posix')
    const level = new SimulatedLevel()
    const content = await contentOf(TREE, 500)
    disk.plant('/mnt/usb/there', bytes(1, 'there'))
    const open = () => ContentStore.open('/home/data', { disk, openDatabase: async f => new Database(f, level) })
    let store = await open()
    const { manifest, blocks } = content
    const fetch = { manifest, blocks, name: 'thing', path: '/mnt/usb/thing', force: false }
    await writePieces(await store.beginFetch(fetch), content, [0, 1, 2])
    await store.close()
    const attach = await disk.detach('/mnt/usb')
    store = await open()
    const gone = store.get(manifest.root)
    await gone?.load()
    expect(gone?.have.count).toBe(0)
    await gone?.recheckUnrecorded()
    await gone?.checkFiles()
    await store.close()
    attach()
    store = await open()
    expect([...(await store.beginFetch(fetch)).have.ones()]).toEqual([0, 1, 2])
    await store.close()
  })
})

describe('a share', () => {
  test.each(['EIO', 'ENXIO', 'ESTALE'])('of which a read answers %s gives no byte and names the file', async code => {
    const { disk, root } = await started('share')
    const lost: number[] = []
    root.onLost = pieces => lost.push(...pieces)
    const mend = breakAt(disk, 'read', { code })
    expect(await codeOf(root.read(0, 900))).toBe('ERR_FILE_CHANGED')
    expect(lost.length).toBeGreaterThan(0)
    expect([root.state, root.problem]).toEqual(['damaged', expect.stringContaining('/home/own/a cannot be read')])
    mend()
    await root.verify()
    expect([root.state, root.problem, root.have.isFull]).toEqual(['complete', null, true])
  })

  test('whose drive is gone is withdrawn, and taken back when it is there again', async () => {
    const { disk, store, root } = await started('share')
    const attach = await disk.detach('/home/own')
    await root.parts.files.close()
    expect(await codeOf(root.read(0, 500))).toBe('ERR_FILE_CHANGED')
    await root.checkFiles()
    expect(root.have.count).toBe(0)
    expect(root.problem).toMatch(/\/home\/own\/(a|b\/c) was deleted \(and 1 more\)/)
    attach()
    await root.checkFiles()
    expect([root.state, root.have.isFull, root.problem]).toEqual(['complete', true, null])
    await store.close()
  })
})

test('a bad sector costs its own pieces and no others, and is named', async () => {
  const { disk, content, root } = await started('share')
  const lost: number[] = []
  root.onLost = pieces => lost.push(...pieces)
  disk.trouble = (op, path, bytes) => {
    const isThere = bytes !== undefined && bytes.from <= 1700 && bytes.to > 1700
    if (op === 'read' && path === '/home/own/a' && isThere) throw systemError('EIO', path)
    return undefined
  }
  expect(await codeOf(root.read(0, 2000))).toBe('ERR_FILE_CHANGED')
  expect(lost.length).toBe(1)
  expect(root.have.count).toBe(root.pieces.count - 1)
  expect(root.problem).toContain('/home/own/a cannot be read (input/output error)')
  for (const piece of root.have.ones()) {
    const block = await root.read(root.pieces.offset(piece), root.pieces.wireSize(piece))
    expect(isPiece(content, piece, block)).toBe(true)
  }
  expect((await root.verify()).bad.map(({ piece }) => piece)).toEqual(lost)
})

describe('the data folder', () => {
  test('that takes no record is told, and LevelDB is opened anew before the next', async () => {
    let opened = 0
    const level = new SimulatedLevel()
    const db = new Database('/data', level, async () => {
      opened += 1
      return level
    })
    level.trouble = async () => {
      throw new Error('IO error: /data/000003.log: No space left on device')
    }
    const write = () => db.write([{ type: 'put', key: 'kv/a', value: Buffer.from('1') }], { sync: true })
    expect(await codeOf(write())).toBe('ERR_NO_SPACE')
    expect(opened).toBe(0)
    expect(await codeOf(write())).toBe('ERR_NO_SPACE')
    expect(opened).toBe(1)
    level.trouble = async () => {}
    await write()
    await write()
    expect(opened).toBe(2)
    expect(Buffer.from((await db.get('kv/a')) ?? []).toString()).toBe('1')
  })

  test('that cannot even be opened anew says why, to readers as well', async () => {
    const level = new SimulatedLevel()
    let isFull = true
    const full = async () => {
      if (isFull) throw new Error('IO error: /data/000005.ldb: No space left on device')
    }
    const db = new Database('/data', level, async () => {
      await full()
      return level
    })
    level.trouble = full
    const write = () => db.write([{ type: 'put', key: 'kv/a', value: Buffer.from('1') }], { sync: true })
    await codeOf(write())
    expect(await codeOf(write())).toBe('ERR_NO_SPACE')
    expect(await codeOf(db.get('kv/a'))).toBe('ERR_NO_SPACE')
    isFull = false
    expect(await db.get('kv/a')).toBeUndefined()
    await write()
    expect(Buffer.from((await db.get('kv/a')) ?? []).toString()).toBe('1')
  })
})
