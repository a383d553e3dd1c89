import { statSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, realpath, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { connect, createServer, Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ShoalError } from '../../src/base/errors.ts'
import type { HashProgress, TransferSnapshot } from '../../src/node/api.ts'
import { connectNode, type RemoteNode } from '../../src/rpc/client.ts'
import { MAX_REQUEST_LINE_BYTES, MAX_REQUESTS_PER_CONNECTION } from '../../src/rpc/messages.ts'
import { type RpcServer, startServer } from '../../src/rpc/server.ts'
import { CID_A, CID_B, FakeNode, rootInfo } from '../helpers/fake-node.ts'

let base: string
let dataDir: string
let node: FakeNode
const closers: Array<() => unknown> = []

beforeEach(async () => {
  base = await realpath(await mkdtemp(join(tmpdir(), 'shoal-rpc-')))
  dataDir = base
  node = new FakeNode()
})
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
  await rm(base, { recursive: true, force: true })
})

async function serve(mode = 'daemon'): Promise<RpcServer> {
  const server = await startServer(node, { dataDir, mode })
  closers.push(() => server.close())
  return server
}

const parseSource = (text: string) => {
  if (!text.includes('baf')) throw new ShoalError('ERR_BAD_CID', `not a CID: ${text}`)
  return { cid: CID_A, name: 'film.mkv' }
}

async function client(): Promise<RemoteNode> {
  const remote = await connectNode(dataDir, { parseSource })
  if (remote === undefined) throw new Error('nobody answers')
  closers.push(() => remote.close())
  return remote
}

/** A connection without our client: what it sends is up to the test. */
async function raw(): Promise<{ socket: Socket; line(): Promise<Record<string, unknown>>; ended: Promise<void> }> {
  const socket = connect(join(dataDir, 'control.sock'))
  closers.push(() => socket.destroy())
  const lines: string[] = []
  const waiting: Array<(line: string) => void> = []
  let rest = ''
  socket.on('data', chunk => {
    const parts = (rest + chunk.toString()).split('\n')
    rest = parts.pop() ?? ''
    for (const part of parts) {
      const next = waiting.shift()
      if (next === undefined) lines.push(part)
      else next(part)
    }
  })
  socket.on('error', () => {})
  const ended = new Promise<void>(resolve => socket.on('close', () => resolve()))
  await new Promise<void>(resolve => socket.on('connect', () => resolve()))
  const line = async () => JSON.parse(lines.shift() ?? (await new Promise<string>(resolve => waiting.push(resolve))))
  return { socket, line, ended }
}

const aborted = (signal: AbortSignal | undefined) =>
  new Promise<void>(resolve => {
    if (signal === undefined || signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })

test('nobody listens: undefined', async () => {
  expect(await connectNode(dataDir, { parseSource })).toBeUndefined()
  expect(await connectNode(join(dataDir, 'absent'), { parseSource })).toBeUndefined()
})

test('the socket is for its owner alone', async () => {
  await serve()
  expect((await stat(join(dataDir, 'control.sock'))).mode & 0o777).toBe(0o600)
})

test('there is no moment in which others could open the socket', async () => {
  const path = join(dataDir, 'control.sock')
  const modes: number[] = []
  const { listen } = Server.prototype
  const spy = vi.spyOn(Server.prototype, 'listen').mockImplementation(function (this: Server, ...args: unknown[]) {
    const result = Reflect.apply(listen, this, args)
    modes.push(statSync(path).mode & 0o777)
    return result
  })
  closers.push(() => spy.mockRestore())
  await serve()
  expect(modes).toEqual([0o600])
})

test('every method does over there what it does here', async () => {
  node.roots = [rootInfo(), rootInfo({ cid: CID_B, name: 'b' })]
  node.connections = [
    {
      peerId: 'p',
      addr: '/ip4/127.0.0.1/tcp/1',
      direction: 'inbound',
      up: 1,
      down: 2,
      sentBytes: 3,
      receivedBytes: 4,
      roots: []
    }
  ]
  node.bad = [{ piece: 3, path: 'film.mkv', offset: 3_145_728, reason: 'changed' }]
  await serve()
  const remote = await client()
  expect(remote.info).toEqual({ mode: 'daemon', pid: process.pid, dataDir })
  expect(await remote.list()).toEqual(await node.list())
  expect(await remote.peers()).toEqual(await node.peers())
  expect(await remote.announced(CID_A)).toBe(3)
  expect(await remote.verify(CID_A)).toEqual(await node.verify(CID_A))
  node.removedChanges = { temp: '/data/film.mkv.part', left: true }
  expect(await remote.remove(CID_A)).toEqual(await node.remove(CID_A))
  for (const pinned of [true, false]) {
    expect(await remote.setPinned(CID_A, pinned)).toEqual({ cid: CID_A, pinned })
    expect(node.calls.at(-1)).toEqual({ method: 'setPinned', args: [CID_A, pinned] })
  }
  node.garbage = [{ kind: 'cache', path: '/data/x', size: 7, fate: 'garbage', reason: null }]
  const options = { dryRun: true, deletePartials: true }
  expect(await remote.gc(options)).toEqual(await node.gc(options))
  expect(node.calls.at(-2)).toEqual({ method: 'gc', args: [options] })
  await remote.gc()
  expect(node.calls.at(-1)).toEqual({ method: 'gc', args: [{ dryRun: false, deletePartials: false }] })
  expect(await remote.share('/data/film.mkv', { hidden: false })).toEqual(await node.share('/data/film.mkv'))
  expect(node.calls).toContainEqual({ method: 'share', args: ['/data/film.mkv', false] })
  await remote.connect('/ip4/127.0.0.1/tcp/9')
  expect(node.calls.at(-1)).toEqual({ method: 'connect', args: ['/ip4/127.0.0.1/tcp/9'] })
  node.nodeLimits = { up: 1000, down: null, roots: [{ cid: CID_A, up: null, down: 5 }] }
  expect(await remote.limits()).toEqual(node.nodeLimits)
  expect(await remote.setLimits({ up: null, down: 7 })).toEqual({ up: null, down: 7 })
  expect(node.calls.at(-1)).toEqual({ method: 'setLimits', args: [{ up: null, down: 7 }] })
  expect(await remote.setLimits({ cid: CID_A })).toEqual({ up: null, down: 5 })
  expect(node.calls.at(-1)).toEqual({ method: 'setLimits', args: [{ cid: CID_A }] })
  node.storageProblem = 'too much'
  expect(await remote.setMaxStorage(7)).toEqual({ ...node.storage, limit: 7, problem: 'too much' })
  expect(await remote.setMaxStorage(null)).toMatchObject({ limit: null })
  expect(node.calls.at(-1)).toEqual({ method: 'setMaxStorage', args: [null] })
  // JSON would make null of these: no limit
  for (const limit of [Number.NaN, Number.POSITIVE_INFINITY]) {
    await expect(remote.setMaxStorage(limit)).rejects.toMatchObject({ code: 'ERR_BAD_NUMBER' })
    await expect(remote.setLimits({ up: limit })).rejects.toMatchObject({ code: 'ERR_BAD_NUMBER' })
    await expect(remote.share('/data/film.mkv', { down: limit })).rejects.toMatchObject({ code: 'ERR_BAD_NUMBER' })
  }
  expect(node.calls.at(-1)).toEqual({ method: 'setMaxStorage', args: [null] })
  await remote.share('/data/film.mkv', { up: null, down: 9 })
  expect(node.calls.at(-1)).toEqual({ method: 'share', args: ['/data/film.mkv', undefined, { up: null, down: 9 }] })
  expect((await remote.status({ cid: CID_B })).roots).toEqual([node.roots[1]])
})

test('status says what runs, which only its process knows', async () => {
  await serve('get')
  expect((await (await client()).status()).mode).toBe('get')
})

test('progress of hashing arrives', async () => {
  node.hashProgress = [{ bytes: 1, totalBytes: 2, files: 0 }]
  await serve()
  const remote = await client()
  const seen: HashProgress[] = []
  await remote.share('/data/film.mkv', { onProgress: progress => seen.push(progress) })
  await remote.verify(CID_A, { onProgress: progress => seen.push(progress) })
  expect(seen).toEqual([...node.hashProgress, ...node.hashProgress])
})

test('an error keeps its code, message, hint and details', async () => {
  node.failures['remove'] = new ShoalError('ERR_UNKNOWN_ROOT', 'not held', {
    hint: 'see shoal ls',
    details: { cid: CID_A }
  })
  node.failures['list'] = new Error('surprise')
  const circular: Record<string, unknown> = {}
  circular['self'] = circular
  node.failures['peers'] = new ShoalError('ERR_IO', 'disk', { details: circular })
  await serve()
  const remote = await client()
  await expect(remote.remove(CID_A)).rejects.toMatchObject({
    name: 'ShoalError',
    code: 'ERR_UNKNOWN_ROOT',
    message: 'not held',
    hint: 'see shoal ls',
    details: { cid: CID_A }
  })
  await expect(remote.list()).rejects.toMatchObject({ code: 'ERR_BUG', message: 'surprise' })
  await expect(remote.peers()).rejects.toMatchObject({ code: 'ERR_IO', details: {} })
})

test('a fetch repeats snapshots and events, and its result', async () => {
  await serve()
  const remote = await client()
  const options = { to: '/data', force: true, timeoutMs: 5_000, up: 1_000, down: null }
  const transfer = remote.fetch(CID_A, options)
  expect(transfer.snapshot()).toMatchObject({ cid: CID_A, name: 'film.mkv', state: 'finding' })
  const seen: TransferSnapshot[] = []
  const progressed = new Promise<void>(resolve =>
    transfer.on('progressed', snapshot => {
      seen.push(snapshot)
      resolve()
    })
  )
  await node.wasAsked('fetch')
  expect(node.calls.at(-1)).toEqual({ method: 'fetch', args: [CID_A, options] })
  const [own] = node.transfers
  own?.progress({ have: 50_000_000 })
  await progressed
  expect(seen[0]).toEqual(own?.snapshot())
  expect(transfer.snapshot()).toEqual(own?.snapshot())
  own?.finish({ peers: 2 })
  expect(await transfer.done).toMatchObject({ cid: CID_A, peers: 2 })
  expect(transfer.snapshot().state).toBe('done')
})

test('a malformed source is refused at once, without a request', async () => {
  await serve()
  const remote = await client()
  expect(() => remote.fetch('nonsense', { to: '/data' })).toThrow(expect.objectContaining({ code: 'ERR_BAD_CID' }))
})

test('a signal that was fired before sends nothing', async () => {
  await serve()
  const remote = await client()
  await expect(remote.share('/data/film.mkv', { signal: AbortSignal.abort() })).rejects.toMatchObject({
    code: 'ERR_ABORTED'
  })
  expect(node.calls).toEqual([])
})

test('a signal cancels over there', async () => {
  node.gates['share'] = new Promise(() => {})
  await serve()
  const remote = await client()
  const controller = new AbortController()
  const share = remote.share('/data/film.mkv', { signal: controller.signal })
  await node.wasAsked('share')
  controller.abort()
  await expect(share).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  await aborted(node.signals.get('share'))
})

test('cancel of a transfer, and a signal, end the fetch over there', async () => {
  await serve()
  const remote = await client()
  const controller = new AbortController()
  const first = remote.fetch(CID_A, { to: '/data' })
  const second = remote.fetch(CID_A, { to: '/other', signal: controller.signal })
  await expect.poll(() => node.transfers).toHaveLength(2)
  first.cancel()
  controller.abort()
  await expect(first.done).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  await expect(second.done).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  for (const transfer of node.transfers) await expect(transfer.done).rejects.toMatchObject({ code: 'ERR_ABORTED' })
})

test('two clients at once: each gets its own answers, and the end of one leaves the other alone', async () => {
  await serve()
  const [one, two] = [await client(), await client()]
  const [lost, kept] = [one.fetch(CID_A, { to: '/one' }), two.fetch(CID_A, { to: '/two' })]
  await expect.poll(() => node.transfers).toHaveLength(2)
  one.close()
  await expect(lost.done).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  const own = node.transfers.find(transfer => transfer.options.to === '/one')
  await expect(own?.done).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  node.transfers.find(transfer => transfer.options.to === '/two')?.finish({ path: '/two/film.mkv' })
  expect(await kept.done).toMatchObject({ path: '/two/film.mkv' })
})

test('a share goes on when its requester vanishes', async () => {
  let open = () => {}
  node.gates['share'] = new Promise<void>(resolve => {
    open = resolve
  })
  await serve()
  const { socket, ended } = await raw()
  socket.write(
    '{"id":1,"method":"share","params":{"path":"/data/film.mkv"}}\n{"id":2,"method":"announced","params":{"cid":"c"}}\n'
  )
  node.gates['announced'] = new Promise(() => {})
  await node.wasAsked('announced')
  socket.destroy()
  await ended
  await aborted(node.signals.get('announced'))
  expect(node.signals.get('share')?.aborted).toBe(false)
  open()
})

test('a closing server cancels, answers and removes its socket', async () => {
  const server = await serve()
  const remote = await client()
  const transfer = remote.fetch(CID_A, { to: '/data' })
  await node.wasAsked('fetch')
  await Promise.all([
    server.close(),
    expect(transfer.done).rejects.toMatchObject({ code: 'ERR_NOT_RUNNING', hint: expect.stringContaining('again') })
  ])
  await expect(stat(join(dataDir, 'control.sock'))).rejects.toMatchObject({ code: 'ENOENT' })
  await expect(remote.list()).rejects.toMatchObject({ code: 'ERR_NOT_RUNNING' })
  expect(await connectNode(dataDir, { parseSource })).toBeUndefined()
})

test('a closing server does not wait for a client that never reads', async () => {
  node.roots = Array.from({ length: 20_000 }, () => rootInfo())
  const server = await serve()
  const { socket } = await raw()
  socket.pause()
  socket.write('{"id":1,"method":"list"}\n')
  await node.wasAsked('list')
  await server.close()
})

test('a stale socket is replaced, a live one is not', async () => {
  const path = join(dataDir, 'control.sock')
  await leaveStaleSocket(path)
  expect((await stat(path)).isSocket()).toBe(true)
  expect(await connectNode(dataDir, { parseSource })).toBeUndefined()
  await serve()
  expect(await (await client()).list()).toEqual([])
  await expect(startServer(new FakeNode(), { dataDir, mode: 'daemon' })).rejects.toMatchObject({ code: 'ERR_LOCKED' })
  expect(await (await client()).list()).toEqual([])
})

test('what is no socket in the place of one stays, and is named', async () => {
  const path = join(dataDir, 'control.sock')
  const inTheWay = { code: 'ERR_EXISTS', message: expect.stringContaining(path), hint: expect.stringContaining('move') }
  await writeFile(path, 'mine')
  await expect(startServer(node, { dataDir, mode: 'daemon' })).rejects.toMatchObject(inTheWay)
  expect(await readFile(path, 'utf8')).toBe('mine')
  await rename(path, join(dataDir, 'mine'))
  await symlink(join(dataDir, 'mine'), path)
  await expect(startServer(node, { dataDir, mode: 'daemon' })).rejects.toMatchObject(inTheWay)
  await rm(path)
  await mkdir(path)
  await expect(startServer(node, { dataDir, mode: 'daemon' })).rejects.toMatchObject(inTheWay)
  await rm(path, { recursive: true })
  await serve()
  expect(await (await client()).list()).toEqual([])
})

test('a data folder with a long path works', async () => {
  dataDir = join(dataDir, 'a'.repeat(60), 'b'.repeat(60))
  await mkdir(dataDir, { recursive: true })
  await serve()
  expect((await client()).info.dataDir).toBe(dataDir)
})

test('somebody who accepts and says nothing is an error in words', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  try {
    const mute = await listen(join(dataDir, 'control.sock'))
    const heard = new Promise<void>(resolve => mute.on('connection', socket => socket.on('data', () => resolve())))
    const connecting = connectNode(dataDir, { parseSource })
    connecting.catch(() => {})
    await heard
    vi.advanceTimersByTime(5_000)
    await expect(connecting).rejects.toMatchObject({ code: 'ERR_RPC', message: expect.stringContaining(dataDir) })
  } finally {
    vi.useRealTimers()
  }
})

test('what is no request is answered with an error, and the node goes on', async () => {
  await serve()
  const { socket, line } = await raw()
  const ask = async (message: unknown) => {
    socket.write(`${JSON.stringify(message)}\n`)
    return await line()
  }
  const refused = (id: unknown, text: string) => ({
    id,
    error: { code: 'ERR_RPC', message: expect.stringContaining(text) }
  })
  expect(await ask({ id: 1, method: 'reboot' })).toMatchObject(refused(1, 'unknown method "reboot"'))
  expect(await ask({ id: 1, method: '__proto__' })).toMatchObject(refused(1, 'unknown method'))
  expect(await ask({ id: 'x', method: 7 })).toMatchObject(refused('x', 'method'))
  expect(await ask({ id: 2, method: 'list', params: [] })).toMatchObject(refused(2, 'params'))
  expect(await ask({ id: 3, method: 'share', params: {} })).toMatchObject(refused(3, 'path'))
  expect(await ask({ id: 3, method: 'share', params: { path: 'relative' } })).toMatchObject(refused(3, 'absolute'))
  expect(await ask({ id: 3, method: 'share', params: { path: '/a\0b' } })).toMatchObject(refused(3, 'path'))
  expect(await ask({ id: 3, method: 'share', params: { path: '/a', hidden: 'yes' } })).toMatchObject(
    refused(3, 'hidden')
  )
  expect(await ask({ id: 4, method: 'fetch', params: { source: CID_A } })).toMatchObject(refused(4, 'to'))
  expect(await ask({ id: 4, method: 'fetch', params: { source: CID_A, to: '/a', timeoutMs: -1 } })).toMatchObject(
    refused(4, 'timeoutMs')
  )
  expect(await ask({ id: 5, method: 'remove', params: { cid: '' } })).toMatchObject(refused(5, 'cid'))
  expect(await ask({ id: 5, method: 'setLimits', params: { up: '1M' } })).toMatchObject(refused(5, 'up'))
  expect(await ask({ id: 5, method: 'setLimits', params: { down: true } })).toMatchObject(refused(5, 'down'))
  expect(await ask({ id: 5, method: 'setLimits', params: { cid: 7 } })).toMatchObject(refused(5, 'cid'))
  expect(await ask({ id: 5, method: 'share', params: { path: '/a', up: {} } })).toMatchObject(refused(5, 'up'))
  expect(await ask({ id: 5, method: 'setMaxStorage', params: {} })).toMatchObject(refused(5, 'limit'))
  expect(await ask({ id: 5, method: 'setMaxStorage', params: { limit: '5G' } })).toMatchObject(refused(5, 'limit'))
  expect(await ask({ id: 6, method: 'list' })).toEqual({ id: 6, result: [] })
  expect(node.calls.map(call => call.method)).toEqual(['list'])
})

test('what is no message at all ends its connection alone', async () => {
  await serve()
  const remote = await client()
  for (const line of ['nonsense', '[]', '7', '{"id":-1}', '{"id":1.5}', '{"id":{}}', '{"id":""}']) {
    const { socket, line: next, ended } = await raw()
    socket.write(`${line}\n`)
    expect(await next()).toMatchObject({ id: null, error: { code: 'ERR_RPC' } })
    await ended
  }
  expect(await remote.list()).toEqual([])
})

test('an endless line is cut off', async () => {
  await serve()
  const { socket, line, ended } = await raw()
  socket.write('x'.repeat(MAX_REQUEST_LINE_BYTES + 1))
  expect(await line()).toMatchObject({ id: null, error: { message: expect.stringContaining('longer than') } })
  await ended
})

test('any bytes are survived', async () => {
  await serve()
  const remote = await client()
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }), async chunks => {
      const { socket, ended } = await raw()
      for (const chunk of chunks) socket.write(chunk)
      socket.end()
      await ended
    }),
    { numRuns: 50 }
  )
  await fc.assert(
    fc.asyncProperty(
      fc.record({ id: fc.jsonValue(), method: fc.jsonValue(), params: fc.jsonValue() }),
      async message => {
        const { socket, line } = await raw()
        socket.write(`${JSON.stringify(message)}\n`)
        expect(await line()).toHaveProperty('error')
        socket.destroy()
      }
    ),
    { numRuns: 50 }
  )
  expect(await remote.list()).toEqual([])
})

test('an id in use is refused, and so are too many requests', async () => {
  node.gates['announced'] = new Promise(() => {})
  await serve()
  const { socket, line } = await raw()
  const announced = (id: number) => socket.write(`{"id":${id},"method":"announced","params":{"cid":"c"}}\n`)
  announced(0)
  announced(0)
  expect(await line()).toMatchObject({ id: 0, error: { message: expect.stringContaining('running') } })
  for (let id = 1; id <= MAX_REQUESTS_PER_CONNECTION; id++) announced(id)
  expect(await line()).toMatchObject({
    id: MAX_REQUESTS_PER_CONNECTION,
    error: { message: expect.stringContaining('more than') }
  })
  socket.write('{"id":0,"cancel":true}\n')
  expect(await line()).toMatchObject({ id: 0, error: { code: 'ERR_ABORTED' } })
  announced(99)
  socket.write('{"id":99,"cancel":true}\n')
  expect(await line()).toMatchObject({ id: 99, error: { code: 'ERR_ABORTED' } })
  socket.write('{"id":12345,"cancel":true}\n')
})

test('a slow reader gets the newest progress, not all of it', async () => {
  await serve()
  const { socket, line } = await raw()
  socket.pause()
  socket.write(`{"id":1,"method":"fetch","params":{"source":"${CID_A}","to":"/data"}}\n`)
  await node.wasAsked('fetch')
  const [own] = node.transfers
  const events = 100_000
  for (let i = 1; i <= events; i++) own?.progress({ have: i, name: 'x'.repeat(200) })
  socket.resume()
  let last = 0
  let count = 0
  while (last < events) {
    const { data } = (await line()) as { data: TransferSnapshot }
    count += 1
    last = data.state === 'finding' ? last : data.have
  }
  expect(count).toBeLessThan(10_000)
  own?.finish()
  expect(await line()).toMatchObject({ id: 1, result: { cid: CID_A } })
})

test('an answer may be far longer than a request', async () => {
  node.roots = Array.from({ length: 10_000 }, (_, i) => rootInfo({ name: `file ${i}` }))
  await serve()
  expect(await (await client()).list()).toEqual(node.roots)
})

async function listen(path: string): Promise<Server> {
  const server = createServer()
  closers.push(() => new Promise(resolve => server.close(resolve)))
  server.on('connection', socket => closers.push(() => socket.destroy()))
  await new Promise<void>(resolve => server.listen(path, resolve))
  return server
}

/** A socket file that outlives its process, as after a kill -9. */
async function leaveStaleSocket(path: string): Promise<void> {
  const { rename } = await import('node:fs/promises')
  const server = createServer()
  await new Promise<void>(resolve => server.listen(`${path}.old`, resolve))
  await rename(`${path}.old`, path)
  await new Promise(resolve => server.close(resolve))
}
