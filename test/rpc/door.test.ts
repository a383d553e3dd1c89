/** The control socket as somebody uses it who means no good, or whose program is broken: every limit by its name. */
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { connectNode } from '../../src/rpc/client.ts'
import { ClientConnection } from '../../src/rpc/client-connection.ts'
import { LineDecoder } from '../../src/rpc/lines.ts'
import { MAX_REQUEST_LINE_BYTES } from '../../src/rpc/messages.ts'
import { MAX_CONNECTIONS, type RpcServer, startServer } from '../../src/rpc/server.ts'
import { CID_A, FakeNode, rootInfo } from '../helpers/fake-node.ts'

let dataDir: string
let node: FakeNode
let server: RpcServer
const sockets: Socket[] = []

beforeEach(async () => {
  dataDir = await realpath(await mkdtemp(join(tmpdir(), 'shoal-door-')))
  node = new FakeNode()
  server = await startServer(node, { dataDir, mode: 'daemon' })
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await server.close()
  await rm(dataDir, { recursive: true, force: true })
})

async function open(): Promise<Socket> {
  const socket = connect(join(dataDir, 'control.sock'))
  sockets.push(socket)
  socket.on('error', () => {})
  await new Promise<void>(resolve => socket.once('connect', resolve))
  return socket
}

/** Answers as they come, until the test has seen enough. */
async function* answers(socket: Socket): AsyncGenerator<Record<string, unknown>> {
  const decoder = new LineDecoder(1 << 28)
  for await (const chunk of socket) for (const line of decoder.push(chunk as Buffer)) yield JSON.parse(line)
}

async function firstAnswer(socket: Socket): Promise<Record<string, unknown> | undefined> {
  const { value } = await answers(socket).next()
  return value as Record<string, unknown> | undefined
}

const REQUIRED: Record<string, Record<string, unknown>> = {
  share: { path: '/a' },
  announced: { cid: CID_A },
  fetch: { source: CID_A, to: '/a' },
  remove: { cid: CID_A },
  connect: { addr: '/ip4/127.0.0.1/tcp/1' },
  verify: { cid: CID_A },
  setMaxStorage: { limit: 1 }
}
const OPTIONAL: Record<string, Record<string, unknown>> = {
  share: { hidden: true, up: 1, down: 1 },
  fetch: { force: true, timeoutMs: 1, up: 1, down: null },
  status: { cid: CID_A },
  setLimits: { cid: CID_A, up: 1, down: null }
}
const WRONG: unknown[] = [[], {}, [[]], { toString: null }, { length: 1 }, '']
const wrongFor = (value: unknown): unknown[] => [
  ...WRONG,
  ...(typeof value === 'string' ? [7, true, null, 'x'.repeat(70_000)] : []),
  ...(typeof value === 'boolean' ? [0, 'true', null] : []),
  ...(typeof value === 'number' || value === null ? [true, '1'] : [])
]

describe('each parameter of each method', () => {
  const cases = [...Object.entries(REQUIRED), ...Object.entries(OPTIONAL)].flatMap(([method, params]) =>
    Object.entries(params).map(([name, right]) => ({ method, name, right }))
  )

  it.each(cases)('$method: $name', async ({ method, name, right }) => {
    const socket = await open()
    const next = answers(socket)
    const isRequired = REQUIRED[method]?.[name] !== undefined
    let id = 0
    for (const wrong of [...wrongFor(right), ...(isRequired ? [undefined] : [])]) {
      const params = { ...REQUIRED[method], [name]: wrong }
      socket.write(`${JSON.stringify({ id: ++id, method, params })}\n`)
      const { value } = await next.next()
      expect(value, JSON.stringify(wrong)?.slice(0, 40)).toMatchObject({
        id,
        error: { code: 'ERR_RPC', message: expect.stringContaining(name), details: { parameter: name } }
      })
    }
    expect(node.calls).toEqual([])
  })

  it('and none that a client made up, whatever its name', async () => {
    const socket = await open()
    socket.write(
      '{"id":1,"method":"share","params":{"path":"/a","__proto__":{"hidden":true},"constructor":1,"onProgress":1}}\n'
    )
    expect(await firstAnswer(socket)).toMatchObject({ id: 1, result: { cid: CID_A } })
    expect(node.calls).toEqual([{ method: 'share', args: ['/a', undefined] }])
  })
})

it.each(['[', '{"a":', '{"id":1,"method":"list","params":{"a":['])(
  'JSON nested as deep as a line is long: %s…',
  async open_ => {
    const socket = await open()
    socket.write(`${open_.repeat(Math.floor((MAX_REQUEST_LINE_BYTES - 2) / open_.length))}\n`)
    expect(await firstAnswer(socket)).toMatchObject({ error: { code: 'ERR_RPC' } })
  }
)

it('a line that comes byte by byte is one line, and costs no more than its bytes', async () => {
  const decoder = new LineDecoder(MAX_REQUEST_LINE_BYTES)
  const before = process.memoryUsage()
  for (let i = 0; i < MAX_REQUEST_LINE_BYTES; i++)
    for (const _ of decoder.push(Buffer.allocUnsafeSlow(1).fill('x'))) throw new Error('a line')
  const after = process.memoryUsage()
  const held = after.heapUsed + after.external - before.heapUsed - before.external
  const [line] = decoder.push(Buffer.from('\n'))
  expect(line).toBe('x'.repeat(MAX_REQUEST_LINE_BYTES))
  // single bytes kept as they come are over 100 MB; what the collector has not taken yet is in here too
  expect(held).toBeLessThan(60 * 1024 * 1024)
})

it('half a line, and then nothing, holds nobody up', async () => {
  const half = await open()
  half.write('{"id":1,"meth')
  expect(await (await connectNode(dataDir))?.list()).toEqual([])
  half.end()
  await new Promise<void>(resolve => half.once('close', resolve))
  expect(node.calls.map(({ method }) => method)).toEqual(['list'])
})

it('of more connections than there may be, the later are closed at once and the earlier go on', async () => {
  const early = await Promise.all(Array.from({ length: MAX_CONNECTIONS }, open))
  const late = await Promise.all(Array.from({ length: 10 }, open))
  await Promise.all(late.map(socket => new Promise<void>(resolve => socket.resume().once('close', resolve))))
  const [first] = early
  first?.write('{"id":1,"method":"hello"}\n')
  expect(first === undefined ? undefined : await firstAnswer(first)).toMatchObject({
    id: 1,
    result: { mode: 'daemon' }
  })
  // and there is room again once one has gone
  for (const socket of early) socket.destroy()
  await expect
    .poll(async () => {
      const socket = await open()
      socket.write('{"id":2,"method":"hello"}\n')
      return await firstAnswer(socket)
    })
    .toMatchObject({ id: 2 })
})

it('a command that finds no place among the connections is told so, and nothing hangs', async () => {
  await Promise.all(Array.from({ length: MAX_CONNECTIONS }, open))
  await expect(connectNode(dataDir)).rejects.toMatchObject({
    code: 'ERR_RPC',
    message: `the running node has ${MAX_CONNECTIONS} control connections already`,
    hint: expect.stringMatching(/later/)
  })
})

it('a connection that ended before anything was asked says so: nobody is there', async () => {
  const socket = await open()
  socket.destroy()
  await new Promise<void>(resolve => socket.once('close', resolve))
  await expect(new ClientConnection(socket).call('hello', {})).rejects.toMatchObject({ code: 'ERR_NOT_RUNNING' })
})

it('who asks and does not read is not read either; nothing piles up, and nothing is lost', async () => {
  node.roots = Array.from({ length: 50 }, () => rootInfo())
  const count = 60_000
  const socket = await open()
  socket.pause()
  for (let id = 1; id <= count; id++) socket.write(`{"id":${id},"method":"list"}\n`)
  const samples: number[] = []
  await expect
    .poll(
      () => {
        samples.push(node.calls.length)
        return samples.length > 4 && new Set(samples.slice(-4)).size === 1
      },
      { interval: 200, timeout: 20_000 }
    )
    .toBe(true)
  // 64 of each chunk of 64 KiB get through, the others are too many at once: some 1,900 if all were read
  expect(node.calls.length).toBeGreaterThan(0)
  expect(node.calls.length).toBeLessThan(800)
  // another client is served meanwhile
  expect((await (await connectNode(dataDir))?.status())?.peerId).toBe(node.peerId)
  let seen = 0
  for await (const answer of answers(socket)) {
    seen += 1
    expect('result' in answer || 'error' in answer).toBe(true)
    if (seen === count) break
  }
  expect(seen).toBe(count)
})
