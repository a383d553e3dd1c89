import { chmod, mkdir, mkdtemp, readdir, realpath, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { MAX_SOCKET_PATH_BYTES, socketPath } from '../../src/rpc/socket-path.ts'

let base: string
beforeEach(async () => {
  base = await realpath(await mkdtemp(join(tmpdir(), 'shoal-path-')))
})
afterEach(() => rm(base, { recursive: true, force: true }))

async function longFolder(): Promise<string> {
  const folder = join(base, 'a'.repeat(60), 'b'.repeat(60))
  await mkdir(folder, { recursive: true })
  return folder
}

test('the socket lies in the data folder', async () => {
  expect(await socketPath(base)).toBe(join(base, 'control.sock'))
})

test('no data folder, no socket', async () => {
  expect(await socketPath(join(base, 'absent'))).toBeUndefined()
})

test('a long path goes to the runtime folder, made for its owner alone', async () => {
  const dataDir = await longFolder()
  const env = { XDG_RUNTIME_DIR: join(base, 'run') }
  expect(await socketPath(dataDir, { env })).toBeUndefined()
  const path = await socketPath(dataDir, { env, create: true })
  expect(path).toMatch(/\/run\/shoal\/[0-9a-f]{32}\.sock$/)
  expect(Buffer.byteLength(path ?? '')).toBeLessThanOrEqual(MAX_SOCKET_PATH_BYTES)
  expect((await stat(join(base, 'run/shoal'))).mode & 0o777).toBe(0o700)
  expect(await socketPath(dataDir, { env })).toBe(path)
})

test('it is found by a process that has another runtime folder', async () => {
  const dataDir = await longFolder()
  const path = await socketPath(dataDir, { env: { XDG_RUNTIME_DIR: join(base, 'run') }, create: true })
  const env = { XDG_RUNTIME_DIR: join(base, 'other') }
  expect(await socketPath(dataDir, { env })).toBe(path)
  expect((await readdir(dataDir)).sort()).toEqual(['control.path'])
  expect((await stat(join(dataDir, 'control.path'))).mode & 0o777).toBe(0o600)
  // the next that starts answers where it is
  const next = await socketPath(dataDir, { env, create: true })
  expect(next).toMatch(/\/other\/shoal\/[0-9a-f]{32}\.sock$/)
  expect(await socketPath(dataDir, { env: { XDG_RUNTIME_DIR: join(base, 'run') } })).toBe(next)
})

test('what is noted is believed only of this data folder, and where nobody else can enter', async () => {
  const dataDir = await longFolder()
  const env = { XDG_RUNTIME_DIR: join(base, 'run') }
  const path = (await socketPath(dataDir, { env, create: true })) ?? ''
  const other = join(base, 'other')
  await mkdir(other, { mode: 0o755 })
  await chmod(other, 0o755)
  const name = path.slice(path.lastIndexOf('/') + 1)
  for (const note of ['', 'x', `shoal/${name}`, join(other, name), join(base, 'run/shoal/x.sock'), `${path}\n`]) {
    await writeFile(join(dataDir, 'control.path'), note)
    expect(await socketPath(dataDir, { env })).toBe(path)
  }
  const copy = join(base, 'c'.repeat(120))
  await rename(dataDir, copy)
  await writeFile(join(copy, 'control.path'), path)
  expect(await socketPath(copy, { env })).not.toBe(path)
})

test('every name of a data folder leads to the same socket', async () => {
  const dataDir = await longFolder()
  const env = { XDG_RUNTIME_DIR: join(base, 'run') }
  await symlink(dataDir, join(base, 'short'))
  expect(await socketPath(join(base, 'short'), { env, create: true })).toBe(
    await socketPath(dataDir, { env, create: true })
  )
})

test('a runtime folder that is too long itself is passed over', async () => {
  const env = { XDG_RUNTIME_DIR: join(base, 'r'.repeat(90)) }
  const path = await socketPath(await longFolder(), { env, create: true })
  expect(path).toMatch(/\/shoal-\d+\/[0-9a-f]{32}\.sock$/)
})

test('a runtime folder that others can enter is refused', async () => {
  const env = { XDG_RUNTIME_DIR: base }
  await mkdir(join(base, 'shoal'))
  await chmod(join(base, 'shoal'), 0o755)
  await expect(socketPath(await longFolder(), { env, create: true })).rejects.toMatchObject({
    code: 'ERR_NO_PERMISSION'
  })
})
