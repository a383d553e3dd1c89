/** Paths that the content may have and the file system may not, at this place: said before anything is written. */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { ContentStore } from '../../../src/content/store/content-store.ts'
import type { Disk } from '../../../src/content/store/disk.ts'
import { nodeDisk } from '../../../src/content/store/node-disk.ts'
import { tempPath } from '../../../src/content/store/temp-name.ts'
import { bytes, contentOf, type Tree, temporaryFolder } from './content.ts'
import { beginFetch, share } from './stores.ts'

const stores: ContentStore[] = []
afterEach(async () => {
  await Promise.all(stores.splice(0).map(store => store.close()))
})

async function open(dir: string, disk: Disk = nodeDisk): Promise<ContentStore> {
  const store = await ContentStore.open(dir, { disk })
  stores.push(store)
  return store
}

const deep = (levels: number) => Array.from({ length: levels }, () => 'd'.repeat(199)).join('/')

test('a path of 4 KiB in a folder of some length', async () => {
  const dir = await temporaryFolder()
  const store = await open(join(dir, 'data'))
  const content = await contentOf({ a: bytes(700, 'a'), [deep(20)]: 'folder' })
  const out = join(dir, 'out'.repeat(40))
  await expect(beginFetch(store, content, out)).rejects.toMatchObject({
    code: 'ERR_IO',
    message: expect.stringContaining('too long for this file system')
  })
  expect(await readdir(dir)).toEqual(['data'])
})

test('a name of 200 bytes where they have 143 at most', async () => {
  const dir = await temporaryFolder()
  await mkdir(join(dir, 'encrypted'))
  const lstat: Disk['lstat'] = async path => {
    const isShort = path.split('/').every(name => Buffer.byteLength(name) <= 143)
    if (!isShort && path.includes('/encrypted/')) throw Object.assign(new Error(path), { code: 'ENAMETOOLONG' })
    return await nodeDisk.lstat(path)
  }
  const store = await open(join(dir, 'data'), { ...nodeDisk, lstat })
  const content = await contentOf({ [`b/${'n'.repeat(200)}`]: Buffer.alloc(0), a: bytes(700, 'a') })
  for (const isHeld of [false, true]) {
    if (isHeld) await share(store, content, join(dir, 'held'))
    await expect(beginFetch(store, content, join(dir, 'encrypted/out'))).rejects.toMatchObject({ code: 'ERR_IO' })
    expect(await readdir(join(dir, 'encrypted'))).toEqual([])
  }
})

test('room is made only for what is not refused at its place', async () => {
  const dir = await temporaryFolder()
  const store = await open(join(dir, 'data'))
  const made: string[] = []
  const begin = async (tree: Tree, name: string) => {
    const { manifest, blocks } = await contentOf(tree)
    const path = join(dir, name)
    return await store.beginFetch({
      manifest,
      blocks,
      path,
      name,
      force: false,
      reserve: async () => void made.push(name)
    })
  }
  await expect(begin({ a: bytes(700, 'a'), [deep(20)]: 'folder' }, 'deep'.repeat(40))).rejects.toThrow('too long')
  const tree = { a: bytes(700, 'a') }
  await writeFile(tempPath(join(dir, 'taken'), (await contentOf(tree)).manifest.root), 'own')
  await expect(begin(tree, 'taken')).rejects.toMatchObject({ code: 'ERR_EXISTS' })
  expect(made).toEqual([])
  await begin(tree, 'free')
  expect(made).toEqual(['free'])
})
