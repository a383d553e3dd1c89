/** Two muxers over a connection in memory, each ours or the stock one. */
import { yamux } from '@chainsafe/libp2p-yamux'
import type { MessageStream, MultiaddrConnection, Stream, StreamMuxer } from '@libp2p/interface'
import { multiaddrConnectionPair } from '@libp2p/utils'
import { afterEach } from 'vitest'
import '../../../../src/base/polyfill.ts'
import { leanYamux } from '../../../../src/node/transport/yamux/yamux.ts'
import type { YamuxInit } from '../../../../src/node/transport/yamux/yamux-init.ts'

export type Kind = 'lean' | 'stock'

export const PAIRS: ReadonlyArray<readonly [Kind, Kind]> = [
  ['lean', 'lean'],
  ['lean', 'stock'],
  ['stock', 'lean']
]

export interface Pair {
  dialer: StreamMuxer
  listener: StreamMuxer
  ends: [MultiaddrConnection, MultiaddrConnection]
}

const open: Pair[] = []

afterEach(() => {
  for (const { dialer, listener, ends } of open.splice(0)) {
    for (const each of [dialer, listener, ...ends]) each.abort(new Error('the test is over'))
  }
})

const WINDOW = 4 * 1024 * 1024 - 64 * 1024

function muxer(kind: Kind, connection: MessageStream, init: YamuxInit): StreamMuxer {
  if (kind === 'lean') return leanYamux({ maxWindowBytes: WINDOW, ...init })().createStreamMuxer(connection)
  const { maxWindowBytes = WINDOW, keepAliveMs, ...limits } = init
  const options = { ...limits, streamOptions: { maxStreamWindowSize: maxWindowBytes } }
  const factory = yamux(keepAliveMs === 0 ? { ...options, enableKeepAlive: false } : options)
  // it takes no components
  return (factory as () => ReturnType<typeof factory>)().createStreamMuxer(connection)
}

/** `capacity`: messages that the connection takes before it wants to be waited for. */
export function pair(kinds: readonly [Kind, Kind], init: YamuxInit = {}, capacity?: number): Pair {
  const ends = multiaddrConnectionPair(capacity === undefined ? {} : { capacity })
  const made = { dialer: muxer(kinds[0], ends[0], init), listener: muxer(kinds[1], ends[1], init), ends }
  open.push(made)
  return made
}

/** The next stream that the other side opens. */
export function accepted(side: StreamMuxer): Promise<Stream> {
  return new Promise(resolve => side.addEventListener('stream', event => resolve(event.detail), { once: true }))
}

export async function streams({ dialer, listener }: Pair): Promise<{ near: Stream; far: Stream }> {
  const far = accepted(listener)
  return { near: await dialer.createStream(), far: await far }
}

/** All that comes until the other side closes its half. */
export async function drainOf(stream: Stream): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  stream.addEventListener('message', ({ data }) => chunks.push(data.subarray().slice()))
  if (!stream.readableEnded) {
    await new Promise<void>((resolve, reject) => {
      stream.addEventListener('end', () => queueMicrotask(resolve))
      stream.addEventListener('close', event => (event.error === undefined ? resolve() : reject(event.error)))
    })
  }
  return Buffer.concat(chunks)
}

/** As senders do: waits for `drain` where send() says so. */
export async function sendAll(stream: Stream, parts: Iterable<Uint8Array>): Promise<void> {
  for (const part of parts) {
    if (stream.send(part)) continue
    await new Promise<void>((resolve, reject) => {
      stream.addEventListener('drain', () => resolve(), { once: true })
      stream.addEventListener('close', event => reject(event.error ?? new Error('closed')), { once: true })
    })
  }
}
