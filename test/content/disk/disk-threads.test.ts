import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sharedBytes } from '../../../src/base/shared-memory.ts'
import { digestAt, printAt } from '../../../src/content/disk/disk-jobs.ts'
import { borrowDiskThreads, DiskThreadPool, HASHING_AT_ONCE } from '../../../src/content/disk/disk-threads.ts'
import { sharedSpans } from '../../../src/content/disk/shared-spans.ts'
import { sideHasher } from '../../../src/content/disk/side-hasher.ts'
import { compileSource } from '../../helpers/compile.ts'
import { sha256 } from './sha256.ts'

const NO_SUCH_FD = 999_999
const LONG_BYTES = 16 * 1024 * 1024
const LONG_SPANS = 32
const dir = mkdtempSync(join(tmpdir(), 'shoal-threads-'))
const at = (name: string) => join(dir, name)
const compiled = join(dir, 'compiled')

beforeAll(async () => {
  mkdirSync(compiled)
  await compileSource(compiled)
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

function shared(text: string): Uint8Array {
  const bytes = sharedBytes(Buffer.byteLength(text))
  bytes.set(Buffer.from(text))
  return bytes
}

/** Hashing of 512 MiB of nothing, which takes a quarter of a second and more. @param fd of a file of LONG_BYTES */
const longJob = (fd: number) => ({
  fd,
  positions: new Float64Array(LONG_SPANS),
  lengths: new Uint32Array(LONG_SPANS).fill(LONG_BYTES)
})

const startThread = () => new Worker(join(compiled, 'content/disk/disk-worker.js'))

test('real threads hash, make, read, sync and look at files, and say which they could not', async () => {
  const started: Worker[] = []
  const pool = new DiskThreadPool(() => {
    const worker = startThread()
    started.push(worker)
    return worker
  })
  const names = ['a', 'deep/er/b', 'a']
  const contents = ['first', 'second file', 'third']
  const all = shared(contents.join(''))
  // two of them lie in one buffer
  const lying = [all.subarray(0, 5), all.subarray(5, 16), shared('third')]
  const made = await pool.run('createFiles', { paths: names.map(at), contents: sharedSpans(lying), drive: undefined })
  expect(made.identities.map(identity => identity !== null)).toEqual([true, true, false])
  expect(readFileSync(at('a'), 'utf8')).toBe('first')
  const elsewhere = { folder: dir, dev: statSync(dir, { bigint: true }).dev + 1n }
  const gone = await pool.run('createFiles', {
    paths: [at('not made')],
    contents: sharedSpans([all]),
    drive: elsewhere
  })
  expect([gone.identities, existsSync(at('not made'))]).toEqual([[null], false])
  expect(readFileSync(at('deep/er/b'), 'utf8')).toBe('second file')

  const there = [at('a'), at('deep/er/b'), at('missing'), dir]
  const hashed = await pool.run('hashFiles', { paths: there, maxBytes: 8 })
  expect(hashed.failed).toEqual([1, 2, 3])
  expect(Buffer.from(digestAt(hashed.digests, 0))).toEqual(sha256('first'))
  expect(printAt(hashed.prints, 0)).toMatchObject({ size: 5, ino: statSync(at('a'), { bigint: true }).ino })
  const stated = await pool.run('statFiles', { paths: there })
  expect(stated.failed).toEqual([2, 3])
  expect(printAt(stated.prints, 1).size).toBe(11)

  const parts = [shared('one two '), shared('three, and more').subarray(0, 5)]
  expect(Buffer.from(await sideHasher(pool).sha256(parts))).toEqual(sha256('one two three'))

  const fd = openSync(at('deep/er/b'), 'r')
  const spans = { fd, positions: Float64Array.of(0, 7, 7), lengths: Uint32Array.of(6, 4, 5) }
  const { digests, short } = await pool.run('hashSpans', spans)
  expect(short).toEqual([2])
  expect(Buffer.from(digestAt(digests, 1))).toEqual(sha256('file'))
  await expect(pool.run('hashSpans', { ...spans, fd: NO_SUCH_FD })).rejects.toMatchObject({ code: 'EBADF' })
  const into = shared('................')
  const ranges = [into.subarray(2, 6), sharedBytes(5), into.subarray(8, 14)]
  const read = await pool.run('readFiles', {
    paths: [at('a'), at('a'), at('deep/er/b')],
    positions: Float64Array.of(1, 1, 0),
    into: sharedSpans(ranges)
  })
  expect(read.failed).toEqual([1])
  expect(Buffer.from(into).toString()).toBe('..irst..second..')
  expect(() => sharedSpans([new Uint8Array(4)])).toThrow(TypeError)

  const [first] = made.identities
  const synced = await pool.run('syncFiles', {
    paths: [at('a'), at('a'), at('deep/er/b'), at('missing')],
    identities: [first ?? null, '1:1', null, null],
    program: null
  })
  expect(synced.replaced).toEqual([1])
  expect(synced.failed).toMatchObject([{ index: 3, code: 'ENOENT' }])
  expect(started.length).toBe(1)
  await pool.close()
  await expect(pool.run('statFiles', { paths: [] })).rejects.toMatchObject({ code: 'ERR_NOT_RUNNING' })
})

test('a real thread writes parts where they belong, and says what the system did not take', async () => {
  const pool = new DiskThreadPool(startThread)
  const path = at('written')
  writeFileSync(path, 'before it')
  const large = sharedBytes(100_000).fill(7)
  const fd = openSync(path, 'r+')
  const parts = [shared('one '), shared('two, and more').subarray(0, 3), large]
  expect(await pool.run('writeParts', { fd, position: 7, parts })).toEqual({ bytesWritten: 100_007 })
  const content = readFileSync(path)
  expect(content.subarray(0, 14).toString()).toBe('before one two')
  expect(content.byteLength).toBe(7 + 100_007)
  expect(content.subarray(14).every(byte => byte === 7)).toBe(true)
  closeSync(fd)
  await expect(pool.run('writeParts', { fd: NO_SUCH_FD, position: 0, parts })).rejects.toMatchObject({ code: 'EBADF' })
  const readOnly = openSync(path, 'r')
  await expect(pool.run('writeParts', { fd: readOnly, position: 0, parts })).rejects.toMatchObject({ code: 'EBADF' })
  closeSync(readOnly)
  await pool.close()
})

test('no more threads than there may be make files or sync; what a thread that died was asked fails', async () => {
  const started: Worker[] = []
  const pool = new DiskThreadPool(() => {
    const worker = startThread()
    started.push(worker)
    return worker
  })
  const job = (i: number) => ({ paths: [at(`n${i}`)], contents: sharedSpans([shared(`${i}`)]), drive: undefined })
  await Promise.all(Array.from({ length: 9 }, (_, i) => pool.run('createFiles', job(i))))
  expect(started.length).toBe(1)
  const sync = () => pool.run('syncFiles', { paths: [at('n1')], identities: [null], program: null })
  await Promise.all(Array.from({ length: 40 }, sync))
  expect(started.length).toBe(4)
  await Promise.all(started.map(worker => worker.terminate()))
  expect((await sync()).failed).toEqual([])
  const dying = pool.run('hashSpans', { fd: 0, positions: Float64Array.of(0), lengths: Uint32Array.of(2 ** 32 - 1) })
  const failed = expect(dying).rejects.toMatchObject({ code: 'ERR_IO' })
  await started.at(-1)?.terminate()
  await failed
  await pool.close()
})

test('short jobs wait for a thread that is busy, until many do', async () => {
  const started: Worker[] = []
  const pool = new DiskThreadPool(() => {
    const worker = startThread()
    started.push(worker)
    return worker
  })
  const hash = () => pool.run('hashParts', { parts: [shared('a part')] })
  const few = Array.from({ length: 7 }, hash)
  expect(started.length).toBe(1)
  expect(pool.isRunning).toBe(false)
  await few[0]
  expect(pool.isRunning).toBe(true)
  // another kind does not
  const stat = pool.run('statFiles', { paths: [at('n1')] })
  expect(started.length).toBe(2)
  await Promise.all([...few, stat])
  await Promise.all(Array.from({ length: 40 }, hash))
  expect(started.length).toBeLessThanOrEqual(HASHING_AT_ONCE + 1)
  await pool.close()
})

test('where no thread can be started a job fails, or waits for one that runs; none is left behind', async () => {
  let mayStart = false
  const pool = new DiskThreadPool(() => {
    if (!mayStart) throw new Error('EAGAIN')
    return startThread()
  })
  const stat = () => pool.run('statFiles', { paths: [dir] })
  await expect(stat()).rejects.toMatchObject({ code: 'ERR_IO' })
  mayStart = true
  expect((await stat()).failed).toEqual([0])
  mayStart = false
  expect((await Promise.all([stat(), stat(), stat()])).map(({ failed }) => failed)).toEqual([[0], [0], [0]])
  const last = Promise.allSettled([stat(), stat()])
  await pool.close()
  const [, waiting] = await last
  expect(waiting).toMatchObject({ status: 'rejected', reason: { code: 'ERR_NOT_RUNNING' } })
})

test('a short job does not wait for a thread that does something long', async () => {
  const pool = new DiskThreadPool(startThread)
  const done: string[] = []
  writeFileSync(at('sparse'), '')
  truncateSync(at('sparse'), LONG_BYTES)
  const fd = openSync(at('sparse'), 'r')
  const long = pool.run('hashSpans', longJob(fd)).then(() => done.push('long'))
  await pool.run('hashParts', { parts: [shared('a part')] }).then(() => done.push('short'))
  expect(done).toEqual(['short'])
  await long
  closeSync(fd)
  await pool.close()
})

test('the holders of the threads share them, and the last ends them', async () => {
  const url = join(compiled, 'content/disk/disk-threads.js')
  // Of this process's own there are none: its worker is not compiled.
  expect(borrowDiskThreads()).toBeUndefined()
  const { borrowDiskThreads: borrow }: typeof import('../../../src/content/disk/disk-threads.ts') = await import(url)
  const [one, two] = [borrow(), borrow()]
  expect(one?.threads).toBe(two?.threads)
  writeFileSync(at('f'), 'f')
  await one?.release()
  expect((await two?.threads.run('statFiles', { paths: [at('f')] }))?.failed).toEqual([])
  await two?.release()
  const later = borrow()
  expect(later?.threads).not.toBe(one?.threads)
  await later?.release()
})
