/**
 * What of an answer is looked at. kad-dht reads up to 4 MiB and takes every peer named there for a discovery: 4,000 of
 * them stopped the asker for seconds, and its table dialled them for hours. So an answer is read here, up to so many
 * bytes, peers and addresses; what is beyond is skipped without being decoded, as is what this version cannot read:
 * kad-dht refuses the whole answer for one address of a protocol that others know.
 */
import type { AbortOptions, PeerId, PeerInfo, Stream } from '@libp2p/interface'
import { peerIdFromMultihash } from '@libp2p/peer-id'
import { lpStream } from '@libp2p/utils'
import * as Digest from 'multiformats/hashes/digest'
import { type Reader, reader } from 'protons-runtime'
import { ShoalError } from '../base/errors.ts'
import { KIB } from '../base/units.ts'
import { K, type KadDHT } from './kad.ts'
import { MAX_ADDRS_OF_PEER, type RawMessage, type RawPeer, readAddr } from './message-bounds.ts'

/** A hundred providers and twenty nodes with 32 addresses each are some 100 KiB. */
export const MAX_ANSWER_BYTES = 256 * KIB
/** Answers of our nodes name 64. */
export const MAX_PROVIDERS = 100
/** Of a multihash that names a peer. */
const MAX_ID_BYTES = 64

const TYPES = ['PUT_VALUE', 'GET_VALUE', 'ADD_PROVIDER', 'GET_PROVIDERS', 'FIND_NODE', 'PING'] as const

interface ReadPeer extends RawPeer {
  readonly info: PeerInfo
}

export interface Answer extends RawMessage {
  readonly closer: readonly ReadPeer[]
  readonly providers: readonly ReadPeer[]
  readonly type: (typeof TYPES)[number]
  readonly record?: Uint8Array
}

interface NetworkView {
  _writeMessage(stream: Stream, message: object, options: AbortOptions): Promise<void>
  _writeReadMessage?: (stream: Stream, message: object, options: AbortOptions) => Promise<Answer>
  safeDispatchEvent(type: 'peer', init: { detail: PeerInfo }): boolean
}

/** Whoever answers more loses its stream: the question has failed. */
export function boundAnswers(dht: KadDHT): KadDHT {
  const { network } = dht as unknown as { network: NetworkView }
  network._writeReadMessage = async (stream, message, options) => {
    const messages = lpStream(stream, { maxDataLength: MAX_ANSWER_BYTES })
    await network._writeMessage(stream, message, options)
    const answer = decodeAnswer((await messages.read(options)).subarray())
    for (const { info } of [...answer.closer, ...answer.providers]) {
      network.safeDispatchEvent('peer', { detail: info })
    }
    return answer
  }
  return dht
}

/**
 * Message of the Kademlia specification of libp2p: 1 type, 2 key, 3 record, 8 closer peers, 9 providers.
 * @throws ERR_PROTOCOL
 */
export function decodeAnswer(bytes: Uint8Array): Answer {
  const from = reader(bytes)
  const closer: ReadPeer[] = []
  const providers: ReadPeer[] = []
  const rest: { key?: Uint8Array; record?: Uint8Array } = {}
  let type: Answer['type'] | undefined = 'PUT_VALUE'
  try {
    while (from.pos < from.len) {
      const tag = from.uint32()
      if (tag === field(1, VARINT)) type = TYPES[from.uint32()]
      else if (tag === field(2, BYTES)) rest.key = from.bytes()
      else if (tag === field(3, BYTES)) rest.record = from.bytes()
      else if (tag === field(8, BYTES) && closer.length < K) closer.push(...decodePeer(from.bytes()))
      else if (tag === field(9, BYTES) && providers.length < MAX_PROVIDERS) providers.push(...decodePeer(from.bytes()))
      else skip(from, tag)
    }
  } catch (cause) {
    throw new ShoalError('ERR_PROTOCOL', 'an answer of the DHT that cannot be read', { cause })
  }
  if (type === undefined) throw new ShoalError('ERR_PROTOCOL', 'an answer of the DHT of no known type')
  return { type, closer, providers, ...rest }
}

/** 1 the multihash of its ID, 2 addresses. @returns none where the ID names no peer */
function decodePeer(bytes: Uint8Array): ReadPeer[] {
  const from = reader(bytes)
  const raw: Uint8Array[] = []
  let id = new Uint8Array()
  while (from.pos < from.len) {
    const tag = from.uint32()
    if (tag === field(1, BYTES)) id = Uint8Array.from(from.bytes())
    else if (tag === field(2, BYTES) && raw.length < MAX_ADDRS_OF_PEER) raw.push(from.bytes())
    else skip(from, tag)
  }
  const peer = readId(id)
  if (peer === undefined) return []
  const addrs = raw.flatMap(addr => readAddr(addr) ?? [])
  return [{ id, multiaddrs: addrs.map(addr => addr.bytes), info: { id: peer, multiaddrs: addrs } }]
}

function readId(bytes: Uint8Array): PeerId | undefined {
  if (bytes.byteLength > MAX_ID_BYTES) return undefined
  try {
    return peerIdFromMultihash(Digest.decode(bytes) as Parameters<typeof peerIdFromMultihash>[0])
  } catch {
    return undefined
  }
}

const VARINT = 0
const BYTES = 2
const field = (number: number, wireType: number) => (number << 3) | wireType

/** Groups are within one another without end. */
function skip(from: Reader, tag: number): void {
  const wireType = tag & 7
  if (wireType === 3 || wireType === 4) throw new ShoalError('ERR_PROTOCOL', 'a group')
  from.skipType(wireType)
}
