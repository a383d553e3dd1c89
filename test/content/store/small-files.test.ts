/** Content of many small files, where their bytes go through disk threads. */
import { type FileHandle, mkdir, open, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { sharedBytes } from '../../../src/base/shared-memory.ts'
import type { SharedSpans } from '../../../src/content/disk/shared-spans.ts'
import { findSyncProgram } from '../../../src/content/disk/sync-program.ts'
import { ContentStore } from '../../../src/content/store/content-store.ts'
import type { StoredRoot } from '../../../src/content/store/stored-root.ts'
import { hereAsThread } from '../disk/here-as-thread.ts'
import { bytes, type Content, contentOf, pieceSpace, temporaryFolder } from './content.ts'
import { beginFetch, codeOf, share } from './stores.ts'

const FILES = 200
const names = Array.from({ length: FILES }, (_, i) => `d${i % 5}/f${i}`)
const many = () => contentOf(Object.fromEntries(names.map((name, i) => [name, bytes(100 + i, name)])))

type Run = typeof hereAsThread.run
/** Jobs by kind, and what a test makes of them. */
let asked = new Map<string, number>()
let run: Run = hereAsThread.run
const threads: { run: Run } = {
  run: (kind, job) => {
    asked.set(kind, (asked.get(kind) ?? 0) + ('paths' in job ? job.paths.length : 1))
    return run(kind, job)
  }
}

const stores: ContentStore[] = []
async function openStore(dir: string): Promise<ContentStore> {
  const store = await ContentStore.open(dir, { lease: { threads, release: async () => {} } })
  stores.push(store)
  return store
}

afterEach(async () => {
  vi.restoreAllMocks()
  await Promise.all(stores.splice(0).map(store => store.close()))
  asked = new Map()
  run = hereAsThread.run
})

async function writeAll(root: StoredRoot, content: Content): Promise<void> {
  const space = pieceSpace(content)
  for (let first = 0; first < root.pieces.count; first += 40) {
    const count = Math.min(40, root.pieces.count - first)
    await root.write(first, count, [space.subarray(root.pieces.offset(first), root.pieces.offset(first + count))])
  }
}

async function expectAt(path: string, changed: ReadonlySet<string> = new Set()): Promise<void> {
  for (const [i, name] of names.entries()) {
    const isRight = (await readFile(join(path, name))).equals(bytes(100 + i, name))
    expect([name, isRight]).toEqual([name, !changed.has(name)])
  }
}

test('they are made, synced and looked at in batches, and read back', async () => {
  const dir = await temporaryFolder()
  const content = await many()
  const root = await beginFetch(await openStore(join(dir, 'data')), content, join(dir, 'out'))
  await writeAll(root, content)
  await root.complete()
  await expectAt(join(dir, 'out'))
  expect(Object.fromEntries(asked)).toEqual({ createFiles: FILES, syncFiles: FILES, statFiles: FILES })
  asked.clear()
  expect(Buffer.from(await root.read(0, root.pieces.byteLength))).toEqual(Buffer.from(pieceSpace(content)))
  expect(asked.get('readFiles')).toBe(FILES)
  expect((await root.verify()).bad).toEqual([])
})

test('what lies in shared memory is made and read where it lies', async () => {
  const dir = await temporaryFolder()
  const content = await many()
  const root = await beginFetch(await openStore(join(dir, 'data')), content, join(dir, 'out'))
  const space = sharedBytes(root.pieces.byteLength)
  space.set(pieceSpace(content))
  const spans: SharedSpans[] = []
  run = async (kind, job) => {
    if ('contents' in job) spans.push(job.contents)
    if ('into' in job) spans.push(job.into)
    return await hereAsThread.run(kind, job)
  }
  // cut amid a file: its content is two parts, and copied
  const amid = root.pieces.offset(10) + 7
  await root.write(0, root.pieces.count, [space.subarray(0, amid), space.subarray(amid)])
  expect(spans[0]?.blocks.map(({ buffer }) => buffer === space.buffer).toSorted()).toEqual([false, true])
  await root.complete()
  await expectAt(join(dir, 'out'))
  const into = sharedBytes(root.pieces.byteLength)
  await root.read(0, into.byteLength, into)
  expect(spans.at(-1)?.blocks.map(({ buffer }) => buffer)).toEqual([into.buffer])
  expect(Buffer.from(into)).toEqual(Buffer.from(space))
})

test.skipIf(findSyncProgram() === null)(
  'hundreds that wait are synced at once, by one call for their file system',
  async () => {
    const dir = await temporaryFolder()
    const content = await contentOf(
      Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`f${i}`, bytes(100 + i, `f${i}`)]))
    )
    const jobs: Array<{ files: number; isByProgram: boolean }> = []
    run = async (kind, job) => {
      const answer = await hereAsThread.run(kind, job)
      if ('isByProgram' in answer && 'paths' in job) jobs.push({ files: job.paths.length, ...answer })
      return answer
    }
    const root = await beginFetch(await openStore(join(dir, 'data')), content, join(dir, 'out'))
    await root.write(0, root.pieces.count, [pieceSpace(content)])
    await root.complete()
    expect(jobs).toMatchObject([{ files: 300, isByProgram: true }])
  }
)

test('where something has the name of a file, it is looked at as ever', async () => {
  const dir = await temporaryFolder()
  const content = await many()
  const root = await beginFetch(await openStore(join(dir, 'data')), content, join(dir, 'out'))
  const temp = root.temp ?? ''
  await mkdir(join(temp, 'd0'), { recursive: true })
  await writeFile(join(temp, 'd0/f0'), 'longer than what belongs here'.repeat(20))
  await mkdir(join(temp, 'd1/f1'), { recursive: true })
  expect(await codeOf(writeAll(root, content))).not.toBe('none')
  await rm(join(temp, 'd1/f1'), { recursive: true })
  await writeAll(root, content)
  await root.complete()
  await expectAt(join(dir, 'out'))
})

test('a file that is swapped before it is synced is noticed and written again', async () => {
  const dir = await temporaryFolder()
  const content = await many()
  const root = await beginFetch(await openStore(join(dir, 'data')), content, join(dir, 'out'))
  await writeAll(root, content)
  const victim = join(root.temp ?? '', 'd3/f3')
  await writeFile(`${victim}.new`, Buffer.alloc((await stat(victim)).size))
  await rename(`${victim}.new`, victim)
  expect(await codeOf(root.complete())).not.toBe('none')
  await writeAll(root, content)
  await root.complete()
  await expectAt(join(dir, 'out'))
})

test('a failing fdatasync is told, and nothing of that file counts as recorded', async () => {
  const dir = await temporaryFolder()
  const content = await many()
  const store = await openStore(join(dir, 'data'))
  const root = await beginFetch(store, content, join(dir, 'out'))
  await writeAll(root, content)
  run = async (kind, job) => {
    if (kind !== 'syncFiles' || !('identities' in job)) return await hereAsThread.run(kind, job)
    const { failed, replaced } = { failed: [{ index: 0, code: 'EIO', message: 'EIO: i/o error' }], replaced: [] }
    return { failed, replaced } as unknown as Awaited<ReturnType<typeof hereAsThread.run<typeof kind>>>
  }
  expect(await codeOf(root.flush())).toBe('ERR_IO')
  run = hereAsThread.run
  await root.flush()
  await root.complete()
  await expectAt(join(dir, 'out'))
})

test('reads notice what changed, and verify says which file', async () => {
  const dir = await temporaryFolder()
  const content = await many()
  const path = join(dir, 'share')
  const root = await share(await openStore(join(dir, 'data')), content, path)
  const victim = join(path, 'd2/f17')
  const { atime, mtime } = await stat(victim)
  const handle: FileHandle = await open(victim, 'r+')
  await handle.write(Buffer.from('X'), 0, 1, 5)
  await handle.close()
  await utimes(victim, atime, mtime)
  expect(await codeOf(root.read(0, root.pieces.byteLength))).toBe('ERR_FILE_CHANGED')
  expect(root.have.count).toBe(root.pieces.count - 1)
  const { bad } = await root.verify()
  expect(bad.map(piece => piece.path)).toEqual(['d2/f17'])
  await expectAt(path, new Set(['d2/f17']))
})

test('verify hashes them in batches when there are hundreds, and large files by ranges', async () => {
  const dir = await temporaryFolder()
  const files = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`f${i}`, bytes(50 + i, `f${i}`)]))
  const content = await contentOf({ ...files, large: bytes(5 * 2 ** 20 + 3, 'large') }, 2 ** 20)
  const path = join(dir, 'share')
  const root = await share(await openStore(join(dir, 'data')), content, path)
  let hashed = 0
  const onProgress = ({ bytes }: { bytes: number }) => {
    hashed = bytes
  }
  expect((await root.verify({ onProgress })).bad).toEqual([])
  expect(asked.get('hashFiles')).toBe(300)
  expect(asked.get('hashSpans')).toBeGreaterThan(1)
  expect(hashed).toBe(root.totalBytes)
  await writeFile(join(path, 'f8'), bytes(58, 'other'))
  const large = await open(join(path, 'large'), 'r+')
  await large.write(Buffer.from('Y'), 0, 1, 3 * 2 ** 20)
  await large.truncate(5 * 2 ** 20)
  await large.close()
  const { bad } = await root.verify()
  expect(bad.map(piece => [piece.path, piece.offset]).sort()).toEqual([
    ['f8', 0],
    ['large', 3 * 2 ** 20],
    ['large', 5 * 2 ** 20]
  ])
  expect(root.state).toBe('damaged')
})
