/** The same fetch once more, after what it wrote was damaged. */
import {
  appendFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import type { FetchOptions, FetchResult, ShoalNode } from '../../src/index.ts'
import { eachWithLab, type NodeLab } from '../helpers/node-lab.ts'

let lab: NodeLab
let b: ShoalNode
let link: string
let into: string
let out: string
eachWithLab(fresh => {
  lab = fresh
})

beforeEach(async () => {
  const tree = join(lab.dir, 'tree')
  mkdirSync(join(tree, 'sub'), { recursive: true })
  mkdirSync(join(tree, 'emptydir'))
  writeFileSync(join(tree, 'a.txt'), 'hello')
  writeFileSync(join(tree, 'empty.txt'), '')
  writeFileSync(join(tree, 'sub/b.bin'), BYTES)
  symlinkSync('a.txt', join(tree, 'lnk'))
  const a = await lab.start('a')
  link = (await a.share(tree)).link
  b = await lab.start('b')
  into = join(lab.dir, 'into')
  mkdirSync(into)
  out = join(into, 'tree')
})

const fetch = (options: FetchOptions = {}): Promise<FetchResult> => b.fetch(link, { to: into, ...options }).done
const BYTES = Buffer.alloc(3_000_000, 'b')
const NAMES = ['a.txt', 'empty.txt', 'emptydir', 'lnk', 'sub']

describe('a folder under another name', () => {
  let mine: string
  beforeEach(async () => {
    mine = join(lab.dir, 'mine')
    await fetch({ to: mine })
    expect((await b.list()).map(({ path }) => path)).toEqual([mine])
  })

  test.each(['mine', 'alias'])(
    'is its own destination, given as %s: in the way when damaged, mended with force',
    async name => {
      symlinkSync(mine, join(lab.dir, 'alias'))
      const to = join(lab.dir, name)
      expect(await fetch({ to })).toMatchObject({ path: mine, fetched: 0 })
      writeFileSync(join(mine, 'sub/b.bin'), 'damaged')
      await expect(fetch({ to })).rejects.toMatchObject({
        code: 'ERR_EXISTS',
        hint: expect.stringContaining('--force')
      })
      const { path, cid } = await fetch({ to, force: true })
      expect(path).toBe(mine)
      expect(readdirSync(mine).sort()).toEqual(NAMES)
      expect(readFileSync(join(mine, 'sub/b.bin')).equals(BYTES)).toBe(true)
      expect(await b.verify(cid)).toMatchObject({ bad: [], wrong: [] })
      expect(await b.list()).toMatchObject([{ path: mine, state: 'seeding' }])
    }
  )

  test('takes other content below it', async () => {
    const { path } = lab.file('film.mkv', 1000)
    const c = await lab.start('c')
    const shared = await c.share(path)
    expect((await b.fetch(shared.link, { to: mine }).done).path).toBe(join(mine, 'film.mkv'))
  })
})

test('another spelling of the folder that it lies in is the same place', async () => {
  await fetch()
  symlinkSync(into, join(lab.dir, 'alias'))
  writeFileSync(join(out, 'sub/b.bin'), 'damaged')
  await expect(fetch({ to: join(lab.dir, 'alias') })).rejects.toMatchObject({ code: 'ERR_EXISTS' })
  expect((await fetch({ to: join(lab.dir, 'alias/tree'), force: true })).path).toBe(out)
  expect(readFileSync(join(out, 'sub/b.bin')).equals(BYTES)).toBe(true)
})

describe('what no piece tells of', () => {
  beforeEach(async () => void (await fetch()))

  test('is made again where it is only missing', async () => {
    for (const name of ['empty.txt', 'lnk']) rmSync(join(out, name))
    rmdirSync(join(out, 'emptydir'))
    const { cid, path, fetched } = await fetch()
    expect([path, fetched]).toEqual([out, 0])
    expect(readdirSync(out).sort()).toEqual(NAMES)
    expect(readlinkSync(join(out, 'lnk'))).toBe('a.txt')
    expect(await b.verify(cid)).toMatchObject({ bad: [], wrong: [] })
  })

  test('is an error where it was changed, and replaced with force', async () => {
    appendFileSync(join(out, 'a.txt'), 'x')
    await expect(fetch()).rejects.toMatchObject({ code: 'ERR_EXISTS', hint: expect.stringContaining('--force') })
    const { cid, path } = await fetch({ force: true })
    expect(path).toBe(out)
    expect(readFileSync(join(out, 'a.txt'), 'utf8')).toBe('hello')
    expect(lstatSync(join(out, 'lnk')).isSymbolicLink()).toBe(true)
    expect(await b.verify(cid)).toMatchObject({ bad: [], wrong: [] })
  })
})

test('two spellings of a CID are one fetch', async () => {
  const { cid } = await b.fetch(link, { to: into }).done
  const c = await lab.start('c')
  await c.connect(b.addrs[0] ?? '')
  const fetches = [cid, `b${cid.slice(1).toUpperCase()}`, cid.toUpperCase()].map(text => c.fetch(text, { cache: true }))
  const done = await Promise.all(fetches.map(each => each.done))
  expect(done.map(({ cid, path }) => [cid, path])).toEqual(done.map(() => [cid, join(lab.dir, 'c/cache', cid)]))
  expect(fetches.map(each => each.cid)).toEqual([cid, cid, cid])
})
