/** Messages that a well-behaved peer may send, for property tests. */
import fc from 'fast-check'
import * as limits from '../../../src/transfer/protocol/limits.ts'
import type { Have, Message, PexPeer } from '../../../src/transfer/protocol/messages.ts'

const u32 = fc.nat(0xffff_ffff)

const have: fc.Arbitrary<Have> = fc.oneof(
  fc.constant({ kind: 'all' as const }),
  fc.constant({ kind: 'none' as const }),
  fc.record({ kind: fc.constant('bitfield' as const), bytes: fc.uint8Array({ maxLength: 200 }) })
)

const runs = fc.array(
  fc
    .tuple(fc.nat(limits.MAX_PIECES - 1), fc.nat(1000))
    .map(([first, n]) => ({ first, count: Math.min(n + 1, limits.MAX_PIECES - first) })),
  { maxLength: 50 }
)

const pieces = fc.array(fc.nat(limits.MAX_PIECES - 1), { maxLength: 50 })

const peerId = fc
  .array(fc.constantFrom(...'123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'), {
    minLength: 1,
    maxLength: 60
  })
  .map(chars => chars.join(''))

const addr = fc.tuple(fc.ipV4(), fc.nat(65_535)).map(([ip, port]) => `/ip4/${ip}/tcp/${port}`)

const pexPeer: fc.Arbitrary<PexPeer> = fc.record({
  id: peerId,
  addrs: fc.array(addr, { maxLength: limits.MAX_PEX_ADDRS }),
  seeder: fc.boolean()
})

export const arbitraryMessage: fc.Arbitrary<Message> = fc.oneof(
  fc.record({
    type: fc.constant('hello' as const),
    root: fc.uint8Array({ minLength: 1, maxLength: limits.MAX_ROOT_BYTES }),
    features: u32,
    manifest: fc.boolean(),
    have,
    maxRequests: fc.integer({ min: 1, max: limits.MAX_REQUESTS_IN_FLIGHT }),
    maxRequestBytes: fc.integer({ min: limits.MIN_REQUEST_BYTES_IN_FLIGHT, max: limits.MAX_REQUEST_BYTES_IN_FLIGHT })
  }),
  fc.record({ type: fc.constant('haveBitfield' as const), have }),
  fc.record({ type: fc.constant('have' as const), runs, coming: pieces }),
  fc.record({ type: fc.constant('lost' as const), runs }),
  fc.record({
    type: fc.constantFrom('interested' as const, 'notInterested' as const, 'choke' as const, 'unchoke' as const)
  }),
  fc.record({
    type: fc.constantFrom(...(['offer', 'suggest', 'arriving'] as const)),
    pieces
  }),
  fc.record({ type: fc.constant('decline' as const), pieces, busy: fc.boolean() }),
  fc.record({ type: fc.constant('want' as const), urgent: runs, ahead: runs, only: fc.boolean() }),
  fc.record({
    type: fc.constant('request' as const),
    id: u32,
    offset: fc.oneof(fc.nat(1 << 30), fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - limits.MAX_REQUEST_BYTES })),
    length: fc.integer({ min: 1, max: limits.MAX_REQUEST_BYTES })
  }),
  fc.record({ type: fc.constant('cancel' as const), id: u32 }),
  fc.record({
    type: fc.constant('reject' as const),
    id: u32,
    code: fc.constantFrom('choked' as const, 'notHeld' as const, 'busy' as const, 'other' as const)
  }),
  fc.record({
    type: fc.constant('nodeRequest' as const),
    first: fc.nat(limits.MAX_NODES - limits.MAX_NODES_PER_REQUEST),
    count: fc.integer({ min: 1, max: limits.MAX_NODES_PER_REQUEST })
  }),
  fc
    .tuple(fc.nat(10_000), fc.nat(10_000), fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }))
    .map(([first, more, blocks]) => ({
      type: 'nodes' as const,
      first,
      total: first + blocks.length + more,
      blocks
    })),
  fc.record({
    type: fc.constant('pex' as const),
    added: fc.array(pexPeer, { maxLength: 10 }),
    dropped: fc.array(peerId, { maxLength: 10 })
  }),
  fc.record({
    type: fc.constant('goodbye' as const),
    code: fc.constantFrom(
      ...(['stopping', 'notFound', 'duplicate', 'protocol', 'limit', 'badData', 'idle', 'full', 'other'] as const)
    ),
    message: fc.string({ maxLength: 100, unit: fc.constantFrom(...'abc def 0123') })
  })
)
