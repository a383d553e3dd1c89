import { chmod, mkdir, mkdtemp, realpath, rm, stat, symlink } from 'node:fs/promises'
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
