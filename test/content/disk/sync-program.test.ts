import { chmod, lstat, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { performJob } from '../../../src/content/disk/perform-job.ts'
import { findSyncProgram } from '../../../src/content/disk/sync-program.ts'
import { identityOf } from '../../../src/content/fingerprint.ts'
import { SmallFileWriter } from '../../../src/content/store/small-file-writer.ts'
import { hereAsThread } from './here-as-thread.ts'

const FILES = 300
let dir = ''
const at = (name: string) => join(dir, name)
const paths = () => Array.from({ length: FILES }, (_, i) => at(`files/${i}`))

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'shoal-sync-'))
  await mkdir(at('files'))
  for (const path of paths()) await writeFile(path, path)
})
afterAll(() => rm(dir, { recursive: true, force: true }))

/** In place of `sync`: notes what it was asked, a line a call. */
async function program(name: string, exitCode: number): Promise<{ path: string; calls(): Promise<string[]> }> {
  const path = at(name)
  const log = at(`${name}.log`)
  await writeFile(path, `#!/bin/sh\necho "$*" >> '${log}'\nexit ${exitCode}\n`)
  await chmod(path, 0o700)
  return { path, calls: async () => (await readFile(log, 'utf8')).trimEnd().split('\n') }
}

test('only Linux since 5.8 reports failed writes by syncfs', () => {
  expect(findSyncProgram('darwin', '23.1.0')).toBeNull()
  expect(findSyncProgram('win32', '10.0.22631')).toBeNull()
  for (const old of ['4.19.0-26-amd64', '5.7.19', '5.4', 'unknown']) expect(findSyncProgram('linux', old)).toBeNull()
  const found = process.platform === 'linux' ? expect.stringMatching(/^(\/usr)?\/bin\/sync$/) : null
  for (const since of ['5.8.0', '5.15.0-91-generic', '6.1.0', '10.0'])
    expect(findSyncProgram('linux', since)).toEqual(found)
})

test.skipIf(process.platform === 'win32')('one call for a file system, then what is under each name', async () => {
  const sync = await program('sync-works', 0)
  await symlink('elsewhere', at('link'))
  const first = identityOf(await lstat(at('files/0'), { bigint: true }))
  const answer = performJob('syncFiles', {
    paths: [at('missing'), at('files/0'), at('files/1'), at('link')],
    identities: [null, first, first, null],
    program: sync.path
  })
  expect(answer).toMatchObject({ isByProgram: true, replaced: [2, 3], failed: [{ index: 0, code: 'ENOENT' }] })
  expect(await sync.calls()).toEqual([`-f ${at('files/0')}`])
})

test.skipIf(process.platform === 'win32')('a few files are synced by themselves, many at once', async () => {
  const sync = await program('sync-many', 0)
  const writer = new SmallFileWriter(hereAsThread, sync.path)
  expect([writer.syncBatch(1), writer.syncBatch(255)]).toEqual([32, 32])
  expect(writer.syncBatch(FILES)).toBeGreaterThanOrEqual(FILES)
  const files = paths().map(path => ({ path, identity: undefined }))
  expect(await writer.sync(files.slice(0, 32))).toEqual(new Map())
  await expect(sync.calls()).rejects.toMatchObject({ code: 'ENOENT' })
  expect(await writer.sync(files)).toEqual(new Map())
  expect(await sync.calls()).toHaveLength(1)
})

test.skipIf(process.platform === 'win32')('where it fails, each file is synced, then and ever after', async () => {
  const sync = await program('sync-fails', 1)
  const asked: unknown[] = []
  const writer = new SmallFileWriter(
    {
      run: async (kind, job) => {
        const answer = performJob(kind, job)
        asked.push(answer)
        return answer
      }
    },
    sync.path
  )
  const files = [...paths(), at('missing')].map(path => ({ path, identity: undefined }))
  for (let round = 0; round < 2; round++) {
    const failed = await writer.sync(files)
    expect([...failed.keys()]).toEqual([FILES])
    expect(failed.get(FILES)).toMatchObject({ code: 'ENOENT' })
  }
  expect(asked).toMatchObject([{ isByProgram: false }, { isByProgram: false }])
  expect(await sync.calls()).toHaveLength(1)
  expect(writer.syncBatch(FILES)).toBe(32)
  const gone = new SmallFileWriter(hereAsThread, at('no-such-program'))
  expect([...(await gone.sync(files)).keys()]).toEqual([FILES])
})
