/** A forced move that fails midway: each of the user's files is the old one or the new one, and the next attempt goes on. */
import { link, lstat, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { ContentStore } from '../../../src/content/store/content-store.ts'
import type { Disk } from '../../../src/content/store/disk.ts'
import { nodeDisk } from '../../../src/content/store/node-disk.ts'
import { bytes, type Content, contentOf, temporaryFolder } from './content.ts'
import { beginFetch, codeOf, writePieces } from './stores.ts'

const NAMES = ['a/x', 'a/y', 'b/new', 'z']
const folder = () => contentOf(Object.fromEntries(NAMES.map(name => [name, bytes(2500, name)])))
const single = () => contentOf({ '': bytes(2500, 'one') })

const fault = (code: string, path: string) => Object.assign(new Error(`${code}: ${path}`), { code })

/** What fails from now on. */
let trouble: Partial<Disk> = {}
const stores: ContentStore[] = []

afterEach(async () => {
  trouble = {}
  await Promise.all(stores.splice(0).map(store => store.close()))
})

async function openTroubled(dir: string): Promise<ContentStore> {
  const disk = new Proxy(nodeDisk, { get: (target, name: keyof Disk) => trouble[name] ?? target[name] })
  const store = await ContentStore.open(dir, { disk })
  stores.push(store)
  return store
}

/** No name can be changed at this place, as of an immutable file. */
function immutable(at: string): Partial<Disk> {
  return {
    rename: async (from, to) => {
      if (to === at || from === at) throw fault('EPERM', to)
      await nodeDisk.rename(from, to)
    },
    link: async (existing, path) => {
      if (existing === at) throw fault('EPERM', existing)
      await nodeDisk.link(existing, path)
    }
  }
}

const noLinks: Partial<Disk> = {
  link: async path => {
    throw fault('ENOTSUP', path)
  }
}

/** A folder of the user's with all of the content's names but `b/new`. */
async function theirs(out: string): Promise<void> {
  await mkdir(join(out, 'a'), { recursive: true })
  await mkdir(join(out, 'b'))
  for (const name of ['a/x', 'a/y', 'z', 'own']) await writeFile(join(out, name), `old ${name}`)
}

async function expectNew(content: Content, out: string): Promise<void> {
  for (const [index, { kind, path }] of content.manifest.entries.entries()) {
    if (kind === 'file') expect((await readFile(join(out, path))).equals(content.file(index))).toBe(true)
  }
}

const oldOnes = async (out: string) =>
  await Promise.all(['a/x', 'a/y', 'z', 'own'].map(name => readFile(join(out, name), 'utf8')))
const OLD = ['old a/x', 'old a/y', 'old z', 'old own']

describe('a merge', () => {
  test('that fails at its last file is taken back, with what it replaced; rm leaves that', async () => {
    const dir = await temporaryFolder()
    const out = join(dir, 'out')
    await theirs(out)
    const content = await folder()
    const store = await openTroubled(join(dir, 'data'))
    const root = await beginFetch(store, content, out, true)
    await writePieces(root, content)
    trouble = immutable(join(out, 'z'))
    for (let attempt = 1; attempt <= 2; attempt++) {
      await expect(root.complete()).rejects.toMatchObject({
        code: 'ERR_NO_PERMISSION',
        message: expect.stringContaining(join(out, 'z'))
      })
      expect(await oldOnes(out)).toEqual(OLD)
      expect(root.have.isFull).toBe(true)
    }
    await store.remove(content.manifest.root)
    expect(await oldOnes(out)).toEqual(OLD)
    expect([(await readdir(dir)).sort(), await readdir(join(out, 'b'))]).toEqual([['data', 'out'], []])
  })

  test('goes on when nothing is in its way any more, and deletes what it replaced', async () => {
    const dir = await temporaryFolder()
    const out = join(dir, 'out')
    await theirs(out)
    const content = await folder()
    const store = await openTroubled(join(dir, 'data'))
    const root = await beginFetch(store, content, out, true)
    await writePieces(root, content)
    trouble = immutable(join(out, 'z'))
    expect(await codeOf(root.complete())).toBe('ERR_NO_PERMISSION')
    trouble = {}
    await root.complete()
    await expectNew(content, out)
    expect((await readdir(dir)).sort()).toEqual(['data', 'out'])
    expect((await lstat(join(out, 'z'))).nlink).toBe(1)
  })

  test('that cannot be taken back leaves the new files where they are', async () => {
    const dir = await temporaryFolder()
    const out = join(dir, 'out')
    await theirs(out)
    const content = await folder()
    const store = await openTroubled(join(dir, 'data'))
    const root = await beginFetch(store, content, out, true)
    await writePieces(root, content)
    const { rename } = immutable(join(out, 'z'))
    trouble = { ...noLinks, ...(rename !== undefined && { rename }) }
    expect(await codeOf(root.complete())).toBe('ERR_NO_PERMISSION')
    await store.remove(content.manifest.root)
    expect(await readFile(join(out, 'z'), 'utf8')).toBe('old z')
    for (const name of ['a/x', 'a/y']) {
      expect([bytes(2500, name).toString(), `old ${name}`]).toContain(await readFile(join(out, name), 'utf8'))
    }
    expect((await readdir(dir)).sort()).toEqual(['data', 'out'])
  })

  test('whose folder may not be changed, or is on another drive, is refused before anything is replaced', async () => {
    const dir = await temporaryFolder()
    const out = join(dir, 'out')
    await theirs(out)
    const content = await folder()
    const store = await openTroubled(join(dir, 'data'))
    const root = await beginFetch(store, content, out, true)
    await writePieces(root, content)
    const moved: string[] = []
    const rename: Disk['rename'] = async (from, to) => {
      moved.push(to)
      await nodeDisk.rename(from, to)
    }
    trouble = {
      rename,
      checkWritable: async at => {
        if (at === join(out, 'b')) throw fault('EACCES', at)
      }
    }
    expect(await codeOf(root.complete())).toBe('ERR_NO_PERMISSION')
    trouble = {
      rename,
      lstat: async at => {
        const stats = await nodeDisk.lstat(at)
        return at === join(out, 'b') ? Object.assign(stats, { dev: stats.dev + 1n }) : stats
      }
    }
    await expect(root.complete()).rejects.toThrow(`${join(out, 'b')} is on another file system`)
    expect([moved, await oldOnes(out)]).toEqual([[], OLD])
    trouble = {}
    await root.complete()
    await expectNew(content, out)
  })

  test('of a copy of what is held elsewhere is taken back, too', async () => {
    const dir = await temporaryFolder()
    const out = join(dir, 'out')
    await theirs(out)
    const content = await folder()
    const store = await openTroubled(join(dir, 'data'))
    const root = await beginFetch(store, content, join(dir, 'first'))
    await writePieces(root, content)
    await root.complete()
    trouble = immutable(join(out, 'z'))
    expect(await codeOf(beginFetch(store, content, out, true))).toBe('ERR_NO_PERMISSION')
    expect(await oldOnes(out)).toEqual(OLD)
    trouble = {}
    await beginFetch(store, content, out, true)
    await expectNew(content, out)
    expect((await readdir(dir)).sort()).toEqual(['data', 'first', 'out'])
  })
})

test('a file that was replaced has its original back where that is not recorded', async () => {
  const dir = await temporaryFolder()
  const out = join(dir, 'out')
  await writeFile(out, 'old')
  await link(out, join(dir, 'other name'))
  const content = await single()
  let store = await openTroubled(join(dir, 'data'))
  const root = await beginFetch(store, content, out, true)
  await writePieces(root, content)
  trouble = {
    syncFolder: async path => {
      if (path === dir && (await lstat(out)).size === 2500) throw fault('EIO', path)
      await nodeDisk.syncFolder(path)
    }
  }
  expect(await codeOf(root.complete())).toBe('ERR_IO')
  trouble = {}
  await store.close()
  store = await openTroubled(join(dir, 'data'))
  await store.remove(content.manifest.root)
  expect(await readFile(out, 'utf8')).toBe('old')
  expect((await readdir(dir)).sort()).toEqual(['data', 'other name', 'out'])
})
