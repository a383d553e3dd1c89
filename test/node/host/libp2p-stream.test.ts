import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { Stream } from '@libp2p/interface'
import { expect, test } from 'vitest'
import { SWARM_PROTOCOL } from '../../../src/node/host/swarm-dialer.ts'
import type { PeerStream } from '../../../src/transfer/io/seams.ts'
import { addrOf, host } from './test-hosts.ts'

const MIB = 1024 * 1024

interface Ended {
  calls: number
  err: Error | undefined
}

/** Counts calls of onClose; resolves a turn after the first. */
function closed(stream: PeerStream): Promise<Ended> {
  return new Promise(resolve => {
    const ended: Ended = { calls: 0, err: undefined }
    stream.onClose = err => {
      ended.calls++
      ended.err ??= err
      setTimeout(() => resolve(ended), 50)
    }
  })
}

async function pair(): Promise<{ near: PeerStream; far: PeerStream }> {
  const [a, b] = [await host(), await host()]
  const far = new Promise<PeerStream>(resolve => void b.dialer.onStream(resolve))
  const peer = { id: b.peerId, addrs: [addrOf(b)], seeder: false }
  const near = await a.dialer.dial(peer, { signal: AbortSignal.timeout(30_000) })
  return { near, far: await far }
}

test('200 MiB with back-pressure: every byte, in order, in bounded memory', async () => {
  const { near, far } = await pair()
  const total = 200 * MIB
  const block = Buffer.alloc(128 * 1024)
  for (let i = 0; i < block.length; i++) block[i] = (i * 31) & 0xff
  const header = Buffer.alloc(16, 5)
  const expected = createHash('sha256')
  const got = createHash('sha256')
  let received = 0
  let sent = 0
  let refused = 0
  let peak = 0
  far.onData = chunk => {
    got.update(chunk)
    received += chunk.byteLength
    peak = Math.max(peak, sent - received)
  }
  const ended = closed(far)
  const nearEnded = closed(near)
  const before = process.memoryUsage.rss()
  const pump = () => {
    while (sent < total) {
      expected.update(header).update(block)
      sent += header.byteLength + block.byteLength
      if (!near.send([header, block])) {
        refused++
        return
      }
    }
    near.onDrain = undefined
    void near.close()
  }
  near.onDrain = pump
  pump()
  expect(await ended).toEqual({ calls: 1, err: undefined })
  expect(await nearEnded).toEqual({ calls: 1, err: undefined })
  expect(received).toBe(sent)
  expect(got.digest('hex')).toBe(expected.digest('hex'))
  expect(refused).toBeGreaterThan(10)
  // What lies between the two is a window and the sockets, never the file.
  expect(peak).toBeLessThan(32 * MIB)
  expect(process.memoryUsage.rss() - before).toBeLessThan(150 * MIB)
})

test('data that comes before onData is set is kept, in order', async () => {
  const { near, far } = await pair()
  near.send([Buffer.from('one '), Buffer.from('two ')])
  near.send([Buffer.from('three')])
  await new Promise(resolve => setTimeout(resolve, 100))
  let text = ''
  await new Promise<void>(resolve => {
    far.onData = chunk => {
      text += Buffer.from(chunk).toString()
      if (text.endsWith('three')) resolve()
    }
  })
  expect(text).toBe('one two three')
})

test('what is queued before close arrives, and both sides end once without an error', async () => {
  const { near, far } = await pair()
  let received = 0
  far.onData = chunk => {
    received += chunk.byteLength
  }
  const [nearEnded, farEnded] = [closed(near), closed(far)]
  near.send([Buffer.alloc(3 * MIB)])
  await near.close()
  expect(await farEnded).toEqual({ calls: 1, err: undefined })
  expect(await nearEnded).toEqual({ calls: 1, err: undefined })
  expect(received).toBe(3 * MIB)
  expect(() => far.send([Buffer.from('late')])).toThrow(/closed/)
  expect(() => near.send([Buffer.from('late')])).toThrow(/closed/)
})

test('a reset in the middle ends the other side once, with an error', async () => {
  const { near, far } = await pair()
  let received = 0
  const [nearEnded, farEnded] = [closed(near), closed(far)]
  far.onData = chunk => {
    received += chunk.byteLength
    if (received > MIB) far.abort(new Error('enough'))
  }
  const pump = () => {
    while (near.send([Buffer.alloc(64 * 1024)]));
  }
  near.onDrain = pump
  pump()
  const end = await nearEnded
  expect(end).toMatchObject({ calls: 1, err: expect.any(Error) })
  expect(await farEnded).toMatchObject({ calls: 1, err: expect.objectContaining({ message: 'enough' }) })
})

test('a handler set after the stream ended is told', async () => {
  const { near, far } = await pair()
  near.abort(new Error('gone'))
  await new Promise(resolve => setTimeout(resolve, 100))
  expect(await closed(far)).toMatchObject({ calls: 1, err: expect.any(Error) })
})

test('the other side of a half-close by a foreign implementation is closed', async () => {
  const [a, b] = [await host(), await host()]
  const far = new Promise<PeerStream>(resolve => void b.dialer.onStream(resolve))
  await a.dialer.connectTo(addrOf(b))
  const [connection] = a.libp2p.getConnections()
  const raw = (await connection?.newStream(SWARM_PROTOCOL)) as Stream
  const stream = await far
  const ended = closed(stream)
  let text = ''
  stream.onData = chunk => {
    text += Buffer.from(chunk).toString()
  }
  const rawClosed = once(raw as never, 'close')
  raw.send(Buffer.from('last words'))
  await raw.close()
  expect(await ended).toEqual({ calls: 1, err: undefined })
  expect(text).toBe('last words')
  await rawClosed
  expect(raw.status).toBe('closed')
})

test('the connection breaking ends the stream', async () => {
  const [a, b] = [await host(), await host()]
  const far = new Promise<PeerStream>(resolve => void b.dialer.onStream(resolve))
  const near = await a.dialer.dial(
    { id: b.peerId, addrs: [addrOf(b)], seeder: false },
    { signal: AbortSignal.timeout(30_000) }
  )
  const ends = [closed(near), closed(await far)]
  for (const connection of b.libp2p.getConnections()) connection.abort(new Error('cable cut'))
  for (const end of await Promise.all(ends)) expect(end.calls).toBe(1)
})

test('many streams over one connection', async () => {
  const [a, b] = [await host(), await host()]
  let taken = 0
  await b.dialer.onStream(stream => {
    taken++
    stream.onData = chunk => void stream.send([chunk])
  })
  const signal = AbortSignal.timeout(20_000)
  const echo = async (text: string) => {
    const stream = await a.dialer.dial({ id: b.peerId, addrs: [addrOf(b)], seeder: false }, { signal })
    const answer = new Promise<string>(resolve => {
      stream.onData = chunk => resolve(Buffer.from(chunk).toString())
    })
    stream.send([Buffer.from(text)])
    expect(await answer).toBe(text)
  }
  await Promise.all(Array.from({ length: 150 }, (_, i) => echo(`stream ${i}`)))
  expect(taken).toBe(150)
})
