/** What happens to a fetch whose own files are deleted, cut or swapped by others before it is complete. */
import { mkdir, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { ShoalError } from '../../../src/base/errors.ts'
import { ContentStore } from '../../../src/content/store/content-store.ts'
import type { StoredRoot } from '../../../src/content/store/stored-root.ts'
import { bytes, type Content, contentOf, temporaryFolder } from './content.ts'
import { beginFetch, codeOf } from './stores.ts'

const stores: ContentStore[] = []
afterEach(async () => {
  await Promise.all(stores.splice(0).map(store => store.close()))
})

async function openStore(dir: string): Promise<ContentStore> {
  const store = await ContentStore.open(join(dir, 'data'))
  stores.push(store)
  return store
}

/** `a` and `b` are the same bytes; all but the last piece, of `c`, are there. */
async function nearlyDone(): Promise<{ dir: string; content: Content; root: StoredRoot; store: ContentStore }> {
  const dir = await temporaryFolder()
  const content = await contentOf({ a: bytes(2500, 'x'), b: bytes(2500, 'x'), c: bytes(700, 'c') }, 500)
  const store = await openStore(dir)
  const root = await beginFetch(store, content, join(dir, 'out'))
  for (let piece = 0; piece < root.pieces.count - 1; piece++) await root.write(piece, 1, [content.piece(piece)])
  await root.flush()
  return { dir, content, root, store }
}

async function fetchMissing(root: StoredRoot, content: Content): Promise<number[]> {
  const missing = Array.from({ length: root.pieces.count }, (_, piece) => piece).filter(p => !root.have.has(p))
  for (const piece of missing) await root.write(piece, 1, [content.piece(piece)])
  return missing
}

async function expectAllRight(dir: string, content: Content): Promise<void> {
  for (const [index, entry] of content.manifest.entries.entries()) {
    if (entry.kind !== 'file') continue
    const there = await readFile(join(dir, 'out', entry.path))
    expect([entry.path, there.equals(content.file(index))]).toEqual([entry.path, true])
  }
}

const harms: ReadonlyArray<[string, (path: string) => Promise<void>]> = [
  ['deleted', path => rm(path)],
  ['cut', path => truncate(path, 600)],
  [
    'swapped',
    async path => {
      await writeFile(`${path}.new`, Buffer.alloc(2400))
      await rename(`${path}.new`, path)
    }
  ]
]

describe.each(harms)('one of two places of the same bytes is %s', (_, harm) => {
  test('while the node is down: it is written anew, and nothing is fetched again', async () => {
    const { dir, content, store, root: before } = await nearlyDone()
    const temp = before.temp ?? ''
    await store.close()
    await harm(join(temp, 'b'))
    const again = await openStore(dir)
    const root = again.get(content.manifest.root)
    if (root === undefined) throw new Error('forgotten')
    await root.load()
    await root.recheckUnrecorded()
    expect(await root.checkFiles()).toEqual([])
    expect(await fetchMissing(root, content)).toEqual([root.pieces.count - 1])
    await root.complete()
    await expectAllRight(dir, content)
    expect((await root.verify()).bad).toEqual([])
  })

  test('while it runs: noticed before the fetch ends', async () => {
    const { dir, content, root } = await nearlyDone()
    await fetchMissing(root, content)
    await harm(join(root.temp ?? '', 'b'))
    await root.complete().catch(async () => {
      await fetchMissing(root, content)
      await root.complete()
    })
    await expectAllRight(dir, content)
    expect((await root.verify()).bad).toEqual([])
  })
})

test.each(harms)(
  'the only place of some is %s while it runs: the fetch does not end, and fetches it again',
  async (_, harm) => {
    const { dir, content, root } = await nearlyDone()
    await fetchMissing(root, content)
    const lost: number[] = []
    root.onLost = pieces => lost.push(...pieces)
    await harm(join(root.temp ?? '', 'c'))
    expect(await codeOf(root.complete())).toBe('ERR_FILE_CHANGED')
    expect([root.state, lost.length]).toEqual(['partial', (await fetchMissing(root, content)).length])
    expect(lost.length).toBeGreaterThan(0)
    await root.complete()
    await expectAllRight(dir, content)
  }
)

test('a file that a write makes anew before anybody looked is not taken for what it was', async () => {
  const { dir, content, root: before, store } = await nearlyDone()
  const last = before.pieces.count - 1
  await store.close()
  await rm(join(before.temp ?? '', 'c'))
  const root = (await openStore(dir)).get(content.manifest.root)
  if (root === undefined) throw new Error('forgotten')
  await root.load()
  await root.write(last, 1, [content.piece(last)])
  expect(await fetchMissing(root, content)).not.toEqual([])
  await root.complete()
  await expectAllRight(dir, content)
})

test.each<[string, (path: string) => Promise<unknown>]>([
  ['a symbolic link', path => symlink('a', path)],
  ['a folder', path => mkdir(path)]
])('%s in the place of a file is named, and the fetch ends once it is gone', async (_, put) => {
  const { dir, content, root } = await nearlyDone()
  await fetchMissing(root, content)
  const path = join(root.temp ?? '', 'c')
  await rm(path)
  await put(path)
  await expect(root.complete()).rejects.toMatchObject({
    code: 'ERR_EXISTS',
    message: `${path} is in the way of a file that is being fetched`
  })
  await rm(path, { recursive: true })
  await fetchMissing(root, content)
  await root.complete()
  await expectAllRight(dir, content)
})

test('a file that was moved away is left alone, and fetched again', async () => {
  const { dir, content, root } = await nearlyDone()
  await fetchMissing(root, content)
  await rename(join(root.temp ?? '', 'c'), join(dir, 'mine'))
  expect(await codeOf(root.complete())).toBe('ERR_FILE_CHANGED')
  expect(await fetchMissing(root, content)).not.toEqual([])
  await root.complete()
  await expectAllRight(dir, content)
  expect((await readFile(join(dir, 'mine'))).equals(bytes(700, 'c'))).toBe(true)
})

test('what the user put in the place of a fetch that was cut short amid its end is not touched', async () => {
  const { dir, content, root: before, store } = await nearlyDone()
  await fetchMissing(before, content)
  await before.flush()
  await before.update({ moving: true })
  await store.close()
  await rm(before.temp ?? '', { recursive: true })
  await mkdir(join(dir, 'out'))
  for (const [name, length] of Object.entries({ a: 2500, b: 2500, c: 700 })) {
    await writeFile(join(dir, 'out', name), Buffer.alloc(length, name))
  }
  const again = await openStore(dir)
  const root = again.get(content.manifest.root)
  await root?.load()
  expect(root?.have.count).toBe(0)
  await again.remove(content.manifest.root)
  expect((await readFile(join(dir, 'out/c'))).equals(Buffer.alloc(700, 'c'))).toBe(true)
})

test('a disk that is full amid a repair leaves no wrong file', async () => {
  const { dir, content, root } = await nearlyDone()
  await fetchMissing(root, content)
  await rm(join(root.temp ?? '', 'b'))
  const { writer } = root.parts
  const { writeData } = writer
  writer.writeData = async () => {
    throw new ShoalError('ERR_NO_SPACE', 'no space left')
  }
  const lost: number[] = []
  root.onLost = pieces => lost.push(...pieces)
  expect(await codeOf(root.checkFiles())).toBe('ERR_NO_SPACE')
  writer.writeData = writeData
  const missing = await fetchMissing(root, content)
  expect([missing.length > 0, missing]).toEqual([true, lost.toSorted((a, b) => a - b)])
  await root.complete()
  await expectAllRight(dir, content)
})

test('a repair that is cut short is not believed afterwards', async () => {
  const { dir, content, root, store } = await nearlyDone()
  await fetchMissing(root, content)
  await root.flush()
  await rm(join(root.temp ?? '', 'b'))
  const { writer } = root.parts
  writer.writeData = async () => {
    throw Object.assign(new Error('cut short'), { code: 'EIO' })
  }
  expect(await codeOf(root.checkFiles())).not.toBe('none')
  await store.close()
  const again = (await openStore(dir)).get(content.manifest.root)
  if (again === undefined) throw new Error('forgotten')
  await again.load()
  expect(again.unrecordedCount).toBeGreaterThan(0)
  expect(await again.recheckUnrecorded()).toBeGreaterThan(0)
  await again.checkFiles()
  expect(await fetchMissing(again, content)).toEqual([])
  await again.complete()
  await expectAllRight(dir, content)
})
