import { chmod, chown, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { connectSocket } from '../../src/rpc/connect-socket.ts'

let dir: string
let path: string
let server: Server
let heard: string

beforeEach(async () => {
  dir = await realpath(await mkdtemp(join(tmpdir(), 'shoal-connect-')))
  path = join(dir, 'control.sock')
  heard = ''
  server = createServer(socket => {
    socket.on('data', chunk => {
      heard += String(chunk)
    })
    socket.on('error', () => {})
  })
})

afterEach(async () => {
  await new Promise<void>(resolve => server.close(() => resolve()))
  await rm(dir, { recursive: true, force: true })
})

async function listen(): Promise<void> {
  await new Promise<void>(resolve => server.listen(path, resolve))
}

test('a socket of one’s own is connected to', async () => {
  await listen()
  const socket = await connectSocket(path)
  expect(socket?.writable).toBe(true)
  socket?.destroy()
})

test('nobody is there: no socket, and a file that is none', async () => {
  expect(await connectSocket(path)).toBeUndefined()
  await writeFile(path, '')
  expect(await connectSocket(path)).toBeUndefined()
  expect(await connectSocket(join(path, 'below'))).toBeUndefined()
})

test('a socket in a folder where others write is not talked to', async () => {
  await listen()
  await chmod(dir, 0o777)
  await expect(connectSocket(path)).rejects.toMatchObject({
    code: 'ERR_NO_PERMISSION',
    hint: expect.stringMatching(/chmod go-w/)
  })
  expect(heard).toBe('')
})

test.skipIf(process.getuid?.() !== 0)('a socket of another user is not talked to', async () => {
  await listen()
  await chown(path, 54_321, 54_321)
  await expect(connectSocket(path)).rejects.toMatchObject({ code: 'ERR_NO_PERMISSION' })
  expect(heard).toBe('')
})
