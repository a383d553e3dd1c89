/** Messages of the DHT as nobody honest makes them, and a node that answers as it likes. */
import { createHash, randomBytes } from 'node:crypto'
import type { Stream } from '@libp2p/interface'
import { lpStream } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import type { CID } from 'multiformats/cid'
import { cidOf, RAW } from '../../src/content/cid.ts'
import { KAD_PROTOCOL } from '../../src/dht/kad.ts'
import type { Host } from '../../src/node/host/create-host.ts'

export const TYPES = { ADD_PROVIDER: 2, GET_PROVIDERS: 3, FIND_NODE: 4, PING: 5 } as const

export interface Named {
  readonly id: Uint8Array
  /** As text, or the bytes of one that has none. */
  readonly addrs: ReadonlyArray<string | Uint8Array>
}

export interface Told {
  readonly type: number
  readonly key?: Uint8Array
  readonly closer?: readonly Named[]
  readonly providers?: readonly Named[]
}

export const randomCid = (): CID => cidOf(RAW, createHash('sha256').update(randomBytes(32)).digest())

/** The multihash of an Ed25519 peer ID that nobody has. */
export const nobody = (): Uint8Array => Buffer.concat([Uint8Array.of(0, 36, 8, 1, 18, 32), randomBytes(32)])

export const nameOf = (host: Host): Named => ({
  id: host.libp2p.peerId.toMultihash().bytes,
  addrs: host.addrs().map(addr => addr.replace(/\/p2p\/.*$/, ''))
})

export function encode({ type, key, closer = [], providers = [] }: Told): Uint8Array {
  return Buffer.concat([
    Uint8Array.of(1 << 3, type),
    ...(key === undefined ? [] : [field(2, key)]),
    ...closer.map(peer => field(8, encodePeer(peer))),
    ...providers.map(peer => field(9, encodePeer(peer)))
  ])
}

export function framed(told: Told): Uint8Array {
  const message = encode(told)
  return Buffer.concat([varint(message.byteLength), message])
}

function encodePeer({ id, addrs }: Named): Uint8Array {
  return Buffer.concat([
    field(1, id),
    ...addrs.map(addr => field(2, typeof addr === 'string' ? multiaddr(addr).bytes : addr))
  ])
}

function field(number: number, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of((number << 3) | 2), varint(bytes.byteLength), bytes])
}

function varint(value: number): Uint8Array {
  const bytes: number[] = []
  for (let left = value; ; left = Math.floor(left / 128)) {
    bytes.push(left < 128 ? left : (left % 128) | 128)
    if (left < 128) return Uint8Array.from(bytes)
  }
}

/** From now on `host` answers what `answer` returns; undefined: nothing. */
export async function answerAs(host: Host, answer: (type: number, key: Uint8Array) => Omit<Told, 'type'> | undefined) {
  await host.libp2p.unhandle(KAD_PROTOCOL)
  await host.libp2p.handle(
    KAD_PROTOCOL,
    async (stream: Stream) => {
      const messages = lpStream(stream)
      try {
        for (;;) {
          // as kad-dht writes it: the type, then the length of the key, and the key
          const question = (await messages.read()).subarray()
          const type = question[1] ?? 0
          const told = answer(type, question.subarray(4, 4 + (question[3] ?? 0)))
          if (told !== undefined) await messages.write(encode({ type, ...told }))
        }
      } catch {
        // the asker ended it
      }
    },
    { maxInboundStreams: 1_000 }
  )
}
