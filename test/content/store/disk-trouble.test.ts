/** Full and read-only disks, failing fdatasync, swapped temporary files, names that differ by case alone. */
import { execFile } from 'node:child_process'
import { type FileHandle, link, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { StoredRoot } from '../../../src/content/store/stored-root.ts'
import { bytes, contentOf, pieceSpace, temporaryFolder } from './content.ts'
import { beginFetch, codeOf, openStore, writePieces } from './stores.ts'

const run = promisify(execFile)
const isRoot = process.platform === 'linux' && process.geteuid?.() === 0

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

/** Runs `work` with a file system of 1 MiB; false where none can be mounted. */
async function withSmallDisk(work: (disk: string) => Promise<void>): Promise<boolean> {
  const disk = await temporaryFolder()
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk])
  } catch {
    return false
  }
  try {
    await work(disk)
  } finally {
    await run('umount', ['--lazy', disk])
  }
  return true
}

const NO_MOUNT = 'needs root and leave to mount a tmpfs'

describe.runIf(isRoot)('a small disk (needs root)', () => {
  test('that is too small is told before any byte, and one that fills up while fetching', async context => {
    const dir = await temporaryFolder()
    const store = await openStore(join(dir, 'data'))
    const content = await contentOf({ a: bytes(300_000, 'a'), b: bytes(300_000, 'b') }, 10_000)
    const mounted = await withSmallDisk(async disk => {
      const large = await contentOf({ '': bytes(2_000_000, 'large') }, 100_000)
      expect(await codeOf(beginFetch(store, large, join(disk, 'large')))).toBe('ERR_NO_SPACE')
      expect(await readdir(disk)).toEqual([])
      const root = await beginFetch(store, content, join(disk, 'out'))
      await writeFile(join(disk, 'hog'), Buffer.alloc(900_000))
      expect(await codeOf(writePieces(root, content))).toBe('ERR_NO_SPACE')
      expect(root.have.isFull).toBe(false)
      await rm(join(disk, 'hog'))
      await writePieces(root, content)
      await root.complete()
      expect((await readFile(join(disk, 'out/b'))).equals(bytes(300_000, 'b'))).toBe(true)
      await store.close()
    })
    if (!mounted) context.skip(NO_MOUNT)
  })

  test('that is read-only', async context => {
    const dir = await temporaryFolder()
    const store = await openStore(join(dir, 'data'))
    const content = await contentOf({ a: bytes(3000, 'a') })
    const mounted = await withSmallDisk(async disk => {
      await run('mount', ['-o', 'remount,ro', disk])
      expect(await codeOf(beginFetch(store, content, join(disk, 'out')))).toBe('ERR_READ_ONLY')
      expect(await codeOf(beginFetch(store, content, join(disk, 'deep/er/out')))).toBe('ERR_READ_ONLY')
      expect(await codeOf(openStore(join(disk, 'some/data')))).toBe('ERR_READ_ONLY')
      expect(store.roots()).toEqual([])
      await run('mount', ['-o', 'remount,rw', disk])
      await writePieces(await beginFetch(store, content, join(disk, 'out')), content)
      await store.close()
    })
    if (!mounted) context.skip(NO_MOUNT)
  })
})

/** Lets the next `count` calls of fdatasync fail, of whatever file. */
async function failingSync(count: number): Promise<{ writes: () => number }> {
  const handle = await open(import.meta.filename, 'r')
  const prototype = Object.getPrototypeOf(handle) as FileHandle
  await handle.close()
  const datasync = vi.spyOn(prototype, 'datasync')
  for (let i = 0; i < count; i++) {
    datasync.mockRejectedValueOnce(Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' }))
  }
  const writev = vi.spyOn(prototype, 'writev')
  return { writes: () => writev.mock.calls.length }
}

describe('fdatasync that fails', () => {
  async function allWritten() {
    const dir = await temporaryFolder()
    const content = await contentOf({ small: bytes(3000, 's'), large: bytes(400_000, 'l') }, 10_000)
    const store = await openStore(join(dir, 'data'))
    const root = await beginFetch(store, content, join(dir, 'out'))
    await writePieces(root, content)
    return { dir, content, store, root }
  }

  test('leaves the pieces unrecorded; once the disk works they are written again and recorded', async () => {
    const { dir, content, store, root } = await allWritten()
    const disk = await failingSync(2)
    expect(await codeOf(root.complete())).toBe('ERR_IO')
    expect([root.state, root.have.isFull]).toEqual(['partial', true])
    expect(await codeOf(root.complete())).toBe('ERR_IO')
    const before = disk.writes()
    await root.complete()
    // A second fdatasync proves nothing about bytes that the first could not write.
    expect(disk.writes()).toBeGreaterThan(before)
    expect(root.state).toBe('complete')
    expect((await readFile(join(dir, 'out/large'))).equals(bytes(400_000, 'l'))).toBe(true)
    await store.close()
    const again = (await openStore(join(dir, 'data'))).get(content.manifest.root)
    await again?.load()
    expect([again?.have.isFull, again?.unrecordedCount]).toEqual([true, 0])
  })

  test('what does not match any more is withdrawn and told, and fetched again', async () => {
    const { dir, content, root } = await allWritten()
    const lost: number[] = []
    root.onLost = pieces => lost.push(...pieces)
    await failingSync(1)
    expect(await codeOf(root.flush())).toBe('ERR_IO')
    const handle = await open(join(root.temp ?? '', 'large'), 'r+')
    await handle.write(Buffer.alloc(10_000), 0, 10_000, 20_000)
    await handle.close()
    await root.flush()
    expect(lost.length).toBe(1)
    expect([...lost].map(piece => root.have.has(piece))).toEqual([false])
    await writePieces(root, content)
    await root.complete()
    expect((await readFile(join(dir, 'out/large'))).equals(bytes(400_000, 'l'))).toBe(true)
  })
})

describe('many small files', () => {
  test('that are not recorded when the store closes are hashed after the next start', async () => {
    const dir = await temporaryFolder()
    const tree = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`f${i}`, bytes(100, `f${i}`)]))
    const content = await contentOf({ ...tree, large: bytes(300_000, 'l') }, 100_000)
    const largePieces = content.manifest.entries.flatMap(entry =>
      entry.kind === 'file' && entry.path === 'large'
        ? Array.from({ length: entry.spanCount }, (_, i) => content.manifest.span(entry.firstSpan + i).piece)
        : []
    )
    let store = await openStore(join(dir, 'data'))
    let root = await beginFetch(store, content, join(dir, 'out'))
    // On a slow machine what is written would be recorded meanwhile.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    await writePieces(root, content)
    // No time for small files at all.
    await root.parts.ledger.flush({ withinMs: 0 })
    vi.useRealTimers()
    await root.detach()
    await store.close()
    store = await openStore(join(dir, 'data'))
    root = await beginFetch(store, content, join(dir, 'out'))
    expect([...root.have.ones()]).toEqual(largePieces)
    expect(root.unrecordedCount).toBe(300)
    expect(await root.recheckUnrecorded()).toBe(300)
    await root.complete()
    expect((await readFile(join(dir, 'out/f299'))).equals(bytes(100, 'f299'))).toBe(true)
  })
})

describe('a temporary file that is swapped', () => {
  async function swapped(tree: Record<string, Uint8Array>) {
    const dir = await temporaryFolder()
    const content = await contentOf(tree)
    const store = await openStore(join(dir, 'data'))
    const root = await beginFetch(store, content, join(dir, 'out'))
    const pieces = [0, 1, 2, 3]
    await writePieces(root, content, pieces)
    const at = join(root.temp ?? '', tree[''] === undefined ? 'a' : '')
    const lost: number[] = []
    root.onLost = found => lost.push(...found)
    return { dir, content, store, root, at, lost }
  }

  async function expectFetchedAgain(root: StoredRoot, content: Awaited<ReturnType<typeof contentOf>>) {
    await writePieces(root, content)
    expect(Buffer.from(await root.read(0, root.pieces.byteLength)).equals(pieceSpace(content))).toBe(true)
    await root.complete()
    expect((await root.verify()).bad).toEqual([])
  }

  test.each([
    ['a file', { '': bytes(8000, 'a') }],
    ['a file of a folder', { a: bytes(8000, 'a'), b: bytes(500, 'b') }]
  ])('is noticed when it is read: %s', async (_, tree) => {
    const { content, store, root, at, lost } = await swapped(tree as Record<string, Uint8Array>)
    await writeFile(`${at}+`, Buffer.alloc(8000))
    await rename(`${at}+`, at)
    await root.parts.files.close()
    expect(await codeOf(root.read(0, 4000))).toBe('ERR_FILE_CHANGED')
    expect(lost.sort()).toEqual([0, 1, 2, 3])
    await expectFetchedAgain(root, content)
    await store.close()
  })

  test('is noticed by a check, and a deleted one when it is written', async () => {
    const { content, root, at, lost } = await swapped({ '': bytes(8000, 'a') })
    await rm(at)
    expect((await root.checkFiles()).sort()).toEqual([0, 1, 2, 3])
    expect(lost.length).toBe(4)
    await expectFetchedAgain(root, content)
  })
})

describe('names that differ by case alone', () => {
  const tree = () => ({ A: bytes(1000, 'upper'), a: bytes(1000, 'lower') })

  test('are two files where the disk keeps them apart', async context => {
    const dir = await temporaryFolder()
    await mkdir(join(dir, 'case'))
    if ((await readdir(dir)).length === 1 && (await codeOf(mkdir(join(dir, 'CASE')))) !== 'none') {
      context.skip('this file system takes them for one')
    }
    const content = await contentOf(tree())
    const store = await openStore(join(dir, 'data'))
    const root = await beginFetch(store, content, join(dir, 'out'))
    await writePieces(root, content)
    await root.complete()
    expect((await readFile(join(dir, 'out/A'))).equals(bytes(1000, 'upper'))).toBe(true)
    expect((await readFile(join(dir, 'out/a'))).equals(bytes(1000, 'lower'))).toBe(true)
  })

  test('end the fetch where it does not, and neither overwrites the other', async () => {
    const dir = await temporaryFolder()
    const content = await contentOf(tree())
    const store = await openStore(join(dir, 'data'))
    const root = await beginFetch(store, content, join(dir, 'out'))
    await writePieces(root, content, [0])
    const [first] = await readdir(root.temp ?? '')
    const other = first === 'A' ? 'a' : 'A'
    // One file under both names, as such a disk has it.
    await link(join(root.temp ?? '', first ?? ''), join(root.temp ?? '', other))
    expect(await codeOf(writePieces(root, content, [1]))).toBe('ERR_EXISTS')
    expect([...root.have.ones()]).toEqual([0])
    expect(Buffer.from(await root.read(0, 1000)).equals(content.piece(0))).toBe(true)
  })
})
