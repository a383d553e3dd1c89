/** What another program does to an unfinished fetch while no store is open, sizes kept: noticed by times alone. */
import { cp, open, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { StoredRoot } from '../../../src/content/store/stored-root.ts'
import { bytes, type Content, contentOf, temporaryFolder } from './content.ts'
import { beginFetch, found, openStore, writePieces } from './stores.ts'

/** `a` and `b` are the same bytes. All but the last piece are there, and the store is closed. */
async function interrupted(): Promise<{ dir: string; content: Content; temp: string; last: number }> {
  const dir = await temporaryFolder()
  const content = await contentOf({ a: bytes(2500, 'x'), b: bytes(2500, 'x'), c: bytes(1700, 'c') }, 500)
  const store = await openStore(join(dir, 'data'))
  const root = await beginFetch(store, content, join(dir, 'out'))
  const last = root.pieces.count - 1
  await writePieces(
    root,
    content,
    Array.from({ length: last }, (_, piece) => piece)
  )
  const temp = root.temp ?? ''
  await store.close()
  return { dir, content, temp, last }
}

async function reopened(dir: string, content: Content): Promise<StoredRoot> {
  const root = found(await openStore(join(dir, 'data')), content)
  await root.load()
  return root
}

const piecesOf = (root: StoredRoot) => ({ held: root.have.count, toHash: root.unrecordedCount })

/** One byte, in place. */
async function alter(path: string, offset: number): Promise<void> {
  const file = await open(path, 'r+')
  await file.write(Buffer.from('!'), 0, 1, offset)
  await file.close()
}

test('what nobody touched is believed, however often a store opens and closes', async () => {
  const { dir, content, last } = await interrupted()
  for (let life = 0; life < 3; life++) {
    const store = await openStore(join(dir, 'data'))
    const root = found(store, content)
    await root.load()
    expect(piecesOf(root)).toEqual({ held: last, toHash: 0 })
    await store.close()
  }
})

test('a piece that was changed in place is not held, and the rest of its file only once it was hashed', async () => {
  const { dir, content, temp, last } = await interrupted()
  await alter(join(temp, 'c'), 600)
  const root = await reopened(dir, content)
  expect(piecesOf(root)).toEqual({ held: 5, toHash: last - 5 })
  await root.recheckUnrecorded()
  expect(piecesOf(root)).toEqual({ held: last - 1, toHash: 0 })
  expect(await root.checkFiles()).toEqual([])
  await writePieces(root, content)
  await root.complete()
  expect((await readFile(join(dir, 'out/c'))).equals(content.file(3))).toBe(true)
  expect((await root.verify()).bad).toEqual([])
})

test('one of two places of the same bytes was changed: it is written anew from the other', async () => {
  const { dir, content, temp, last } = await interrupted()
  await alter(join(temp, 'b'), 1200)
  const root = await reopened(dir, content)
  await root.recheckUnrecorded()
  expect(piecesOf(root)).toEqual({ held: last, toHash: 0 })
  await writePieces(root, content)
  await root.complete()
  expect((await readFile(join(dir, 'out/b'))).equals(content.file(2))).toBe(true)
})

test('an older version that a backup brought back, its times too, is noticed', async () => {
  const { dir, content, temp } = await interrupted()
  const { atime, mtime } = await stat(join(temp, 'c'))
  await writeFile(join(temp, 'c'), Buffer.alloc(1700))
  await utimes(join(temp, 'c'), atime, mtime)
  const root = await reopened(dir, content)
  await root.recheckUnrecorded()
  expect(piecesOf(root)).toEqual({ held: 5, toHash: 0 })
})

test('of a file whose times alone were changed everything is held again once it was hashed', async () => {
  const { dir, content, temp, last } = await interrupted()
  await utimes(join(temp, 'c'), 1, 1)
  const root = await reopened(dir, content)
  expect(root.unrecordedCount).toBe(last - 5)
  await root.recheckUnrecorded()
  await root.flush()
  expect(piecesOf(root)).toEqual({ held: last, toHash: 0 })
})

test('after a crash nothing is compared, as our own writes changed the times', async () => {
  const { dir, content, last } = await interrupted()
  const running = await reopened(dir, content)
  await running.write(last, 1, [content.piece(last)])
  await running.flush()
  // what the process leaves that dies now
  await cp(join(dir, 'data'), join(dir, 'left'), { recursive: true })
  const root = found(await openStore(join(dir, 'left')), content)
  await root.load()
  expect(piecesOf(root)).toEqual({ held: last + 1, toHash: 0 })
})
