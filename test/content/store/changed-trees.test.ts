/** What no piece tells of: folders, empty files and links that go or change, and files that grow. */
import { appendFile, lstat, mkdir, readdir, readFile, readlink, rm, rmdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { bytes, contentInOneNode, contentOf, contentWithLinks, temporaryFolder } from './content.ts'
import { beginFetch, codeOf, openStore, writePieces } from './stores.ts'

const tree = () => ({ 'a.txt': bytes(2500, 'a'), 'empty.txt': Buffer.alloc(0), folder: 'folder' as const })

async function fetched(content: Awaited<ReturnType<typeof contentOf>>) {
  const dir = await temporaryFolder()
  const store = await openStore(join(dir, 'data'))
  const path = join(dir, 'thing')
  const root = await beginFetch(store, content, path)
  await writePieces(root, content)
  await root.complete()
  expect(await root.verify()).toEqual({ bad: [], wrong: [] })
  return { dir, store, path, root, again: (force = false) => beginFetch(store, content, path, force) }
}

describe('a fetched folder', () => {
  test('gets back what is only missing', async () => {
    const { path, root, again } = await fetched(await contentOf(tree()))
    await rm(join(path, 'empty.txt'))
    await rmdir(join(path, 'folder'))
    expect(await root.verify()).toEqual({
      bad: [],
      wrong: [
        { path: 'empty.txt', reason: 'was deleted' },
        { path: 'folder', reason: 'was deleted' }
      ]
    })
    expect(await again()).toBe(root)
    expect(await readdir(path)).toEqual(['a.txt', 'empty.txt', 'folder'])
    expect((await lstat(join(path, 'folder'))).isDirectory()).toBe(true)
    expect(await root.verify()).toEqual({ bad: [], wrong: [] })
    expect([root.state, root.problem]).toEqual(['complete', null])
  })

  test('gets back its links', async () => {
    const { path, root, again } = await fetched(contentWithLinks(bytes(700, 'f'), { lnk: 'file', out: '../../x' }))
    await rm(join(path, 'lnk'))
    expect((await root.verify()).wrong).toEqual([{ path: 'lnk', reason: 'was deleted' }])
    await again()
    expect(await readlink(join(path, 'lnk'))).toBe('file')
    expect((await root.verify()).wrong).toEqual([])
  })

  test.each<[string, string, (path: string) => Promise<unknown>]>([
    ['a.txt', 'is too long', path => appendFile(path, 'x')],
    ['empty.txt', 'is not empty any more', path => writeFile(path, 'junk')],
    ['empty.txt', 'is no file any more', path => rm(path).then(() => symlink('a.txt', path))]
  ])('whose %s %s is replaced with force alone', async (name, reason, change) => {
    const content = await contentOf(tree())
    const { path, root, again } = await fetched(content)
    await writeFile(join(path, 'mine'), 'mine')
    await change(join(path, name))
    expect(await root.verify()).toEqual({ bad: [], wrong: [{ path: name, reason }] })
    expect(await codeOf(again())).toBe('ERR_EXISTS')
    const mended = await again(true)
    expect([mended.state, mended.have.isFull, mended.path]).toEqual(['partial', true, path])
    await mended.complete()
    expect(await mended.verify()).toEqual({ bad: [], wrong: [] })
    expect(await readFile(join(path, 'a.txt'))).toEqual(bytes(2500, 'a'))
    expect((await lstat(join(path, 'empty.txt'))).size).toBe(0)
    expect(await readFile(join(path, 'mine'), 'utf8')).toBe('mine')
  })

  test('is not mended by halves: nothing is made where something was changed', async () => {
    const { path, again } = await fetched(await contentOf(tree()))
    await rm(join(path, 'empty.txt'))
    await appendFile(join(path, 'a.txt'), 'x')
    expect(await codeOf(again())).toBe('ERR_EXISTS')
    expect(await readdir(path)).toEqual(['a.txt', 'folder'])
  })

  test('whose link leads elsewhere, and whose folder is a file', async () => {
    const { path, root } = await fetched(contentWithLinks(bytes(700, 'f'), { lnk: 'file' }))
    await rm(join(path, 'lnk'))
    await symlink('nowhere', join(path, 'lnk'))
    expect((await root.verify()).wrong).toEqual([{ path: 'lnk', reason: 'leads elsewhere' }])
    const other = await fetched(await contentOf(tree()))
    await rmdir(join(other.path, 'folder'))
    await writeFile(join(other.path, 'folder'), '')
    expect((await other.root.verify()).wrong).toEqual([{ path: 'folder', reason: 'is no folder any more' }])
  })

  test('what has bad pieces is told once', async () => {
    const { path, root } = await fetched(await contentOf(tree()))
    await rm(join(path, 'a.txt'))
    const { bad, wrong } = await root.verify()
    expect(bad.map(({ piece, path }) => [piece, path])).toEqual([0, 1, 2].map(piece => [piece, 'a.txt']))
    expect(wrong).toEqual([])
  })
})

describe('a fetched file', () => {
  test('that is empty and was filled', async () => {
    const { path, root, again } = await fetched(await contentOf({ '': Buffer.alloc(0) }))
    await writeFile(path, 'junk')
    expect(await root.verify()).toEqual({ bad: [], wrong: [{ path: 'thing', reason: 'is not empty any more' }] })
    expect(await codeOf(again())).toBe('ERR_EXISTS')
    const mended = await again(true)
    if (mended.state === 'partial') await mended.complete()
    expect((await lstat(path)).size).toBe(0)
    expect((await mended.verify()).wrong).toEqual([])
  })

  test('that is empty and was deleted', async () => {
    const { path, again } = await fetched(await contentOf({ '': Buffer.alloc(0) }))
    await rm(path)
    await (await again()).complete()
    expect((await lstat(path)).size).toBe(0)
  })

  test('whose bytes lie in a DAG node', async () => {
    const { path, root, again } = await fetched(contentInOneNode(Buffer.from('inside')))
    await writeFile(path, 'INSIDE')
    expect((await root.verify()).wrong).toEqual([{ path: 'thing', reason: 'was changed' }])
    expect(await codeOf(again())).toBe('ERR_EXISTS')
    const mended = await again(true)
    await mended.complete()
    expect(await readFile(path, 'utf8')).toBe('inside')
    expect((await mended.verify()).wrong).toEqual([])
  })
})

test('a folder that cannot be looked at is named', async () => {
  const { path, root } = await fetched(await contentOf({ ...tree(), 'sub/empty': Buffer.alloc(0) }))
  await rm(join(path, 'sub'), { recursive: true })
  await mkdir(join(path, 'elsewhere'))
  await symlink('sub', join(path, 'sub'))
  expect((await root.verify()).wrong).toEqual([
    { path: 'sub', reason: 'is no folder any more' },
    { path: 'sub/empty', reason: 'cannot be looked at (ELOOP)' }
  ])
})
