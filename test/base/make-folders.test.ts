import { existsSync, mkdtempSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeFolders } from '../../src/base/make-folders.ts'

let dir: string
beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'shoal-folders-')))
})
afterEach(() => rmSync(dir, { recursive: true }))

test('makes what is missing, for its owner alone, and leaves what is there', async () => {
  const path = join(dir, 'a', 'b', 'c')
  await Promise.all([makeFolders(path, 0o700), makeFolders(path, 0o700), makeFolders(join(dir, 'a', 'd'), 0o700)])
  for (const made of [path, join(dir, 'a'), join(dir, 'a', 'd')]) expect(statSync(made).mode & 0o777).toBe(0o700)
  await makeFolders(path, 0o755)
  expect(statSync(path).mode & 0o777).toBe(0o700)
  symlinkSync(path, join(dir, 'link'))
  await makeFolders(join(dir, 'link'), 0o700)
  await makeFolders('/', 0o700)
})

test('says what is in the way', async () => {
  writeFileSync(join(dir, 'file'), '')
  await expect(makeFolders(join(dir, 'file'), 0o700)).rejects.toMatchObject({ code: 'EEXIST' })
  await expect(makeFolders(join(dir, 'file', 'x'), 0o700)).rejects.toMatchObject({ code: 'ENOTDIR' })
})

test.skipIf(!existsSync('/proc/self'))('ends where nothing can be made', async () => {
  await expect(makeFolders('/proc/shoal/data', 0o700)).rejects.toMatchObject({ code: 'ENOENT' })
})
