/** A file of the real disk whose large writes are done by a thread. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compileSource } from '../../helpers/compile.ts'

const BYTES = 300_000
const dir = mkdtempSync(join(tmpdir(), 'shoal-thread-writes-'))
const compiled = join(dir, 'compiled')

beforeAll(async () => {
  mkdirSync(compiled)
  await compileSource(compiled)
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

test('large writes from shared memory go by the thread, others do not, and the file closes after them', async () => {
  const load = async <Module>(name: string): Promise<Module> => await import(join(compiled, name))
  const { borrowDiskThreads } =
    await load<typeof import('../../../src/content/disk/disk-threads.ts')>('content/disk/disk-threads.js')
  const { nodeDisk } =
    await load<typeof import('../../../src/content/store/node-disk.ts')>('content/store/node-disk.js')
  const { sharedBytes } = await load<typeof import('../../../src/base/shared-memory.ts')>('base/shared-memory.js')
  const lease = borrowDiskThreads()
  if (lease === undefined) throw new Error('there are no threads')
  const asked: string[] = []
  const { threads } = lease
  const run = threads.run.bind(threads)
  threads.run = (kind, ...rest) => {
    asked.push(kind)
    return run(kind, ...rest)
  }
  const path = join(dir, 'file')
  const file = await nodeDisk.open(path, 'write')
  const large = sharedBytes(BYTES).fill(1)
  expect(await file.writev([large.subarray(0, 1000)], 0)).toMatchObject({ bytesWritten: 1000 })
  expect(await file.writev([new Uint8Array(BYTES).fill(2)], 0)).toMatchObject({ bytesWritten: BYTES })
  expect(await file.writev([large], 0)).toMatchObject({ bytesWritten: BYTES })
  expect(asked).toEqual([])
  // one runs now
  await threads.run('statFiles', { paths: [path] })
  expect(await file.writev([large.subarray(0, 1000)], 0)).toMatchObject({ bytesWritten: 1000 })
  expect(await file.writev([new Uint8Array(BYTES).fill(2)], 0)).toMatchObject({ bytesWritten: BYTES })
  expect(asked.splice(0)).toEqual(['statFiles'])
  const written = file.writev([large.subarray(1), large.subarray(1)], 2)
  await file.close()
  // it was waited for
  expect(readFileSync(path).byteLength).toBe(2 + 2 * (BYTES - 1))
  expect(await written).toEqual({ bytesWritten: 2 * (BYTES - 1) })
  expect(asked).toEqual(['writeParts'])
  const content = readFileSync(path)
  expect([...content.subarray(0, 4)]).toEqual([2, 2, 1, 1])
  expect(content.subarray(2).every(byte => byte === 1)).toBe(true)
  await lease.release()
  // nobody's any more: here
  const again = await nodeDisk.open(path, 'write')
  expect(await again.writev([large], 0)).toMatchObject({ bytesWritten: BYTES })
  await again.close()
  expect(asked).toEqual(['writeParts'])
})
