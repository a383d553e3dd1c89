import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ShoalError } from '../../../src/base/errors.ts'
import { decodeMessage, encodeMessage } from '../../../src/transfer/protocol/codec.ts'
import * as limits from '../../../src/transfer/protocol/limits.ts'
import type { Message } from '../../../src/transfer/protocol/messages.ts'
import { Control } from '../../../src/transfer/protocol/wire.ts'
import { arbitraryMessage } from './arbitrary-message.ts'

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (err) {
    return err instanceof ShoalError ? err.code : `not a ShoalError: ${String(err)}`
  }
  return 'nothing thrown'
}

/** Plain arrays instead of Uint8Arrays and Buffers, which are equal but not deeply equal. */
function plain(message: Message | undefined): unknown {
  return JSON.parse(JSON.stringify(message, (_, v) => (ArrayBuffer.isView(v) ? [...(v as Uint8Array)] : v)))
}

describe('codec', () => {
  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(arbitraryMessage, message => {
        expect(plain(decodeMessage(encodeMessage(message)))).toEqual(plain(message))
      }),
      { numRuns: 500 }
    )
  })

  it('answers arbitrary bytes with a message, nothing, or a declared error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), bytes => {
        const code = codeOf(() => decodeMessage(bytes))
        expect(['nothing thrown', 'ERR_PROTOCOL', 'ERR_LIMIT']).toContain(code)
      }),
      { numRuns: 3000 }
    )
  })

  it('answers messages with bytes changed likewise', () => {
    const mutation = fc.array(fc.tuple(fc.nat(1000), fc.nat(255)), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(arbitraryMessage, mutation, (message, changes) => {
        const bytes = encodeMessage(message)
        for (const [at, value] of changes) if (bytes.byteLength > 0) bytes[at % bytes.byteLength] = value
        const code = codeOf(() => decodeMessage(bytes))
        expect(['nothing thrown', 'ERR_PROTOCOL', 'ERR_LIMIT']).toContain(code)
      }),
      { numRuns: 2000 }
    )
  })

  it('skips unknown kinds and unknown fields', () => {
    expect(decodeMessage(new Uint8Array(0))).toBeUndefined()
    // field 100, length-delimited, two bytes
    expect(decodeMessage(Uint8Array.of(0xa2, 0x06, 2, 1, 2))).toBeUndefined()
    // cancel { id: 7, field 9: 1 }
    expect(decodeMessage(Uint8Array.of(0x62, 4, 0x08, 7, 0x48, 1))).toEqual({ type: 'cancel', id: 7 })
  })

  it('takes codes it does not know as other', () => {
    expect(decodeMessage(Control.encode({ goodbye: { code: 999, message: 'x' } }))).toMatchObject({ code: 'other' })
    expect(decodeMessage(Control.encode({ reject: { id: 1, code: 999 } }))).toMatchObject({ code: 'other' })
  })

  it('believes no more of hello than its limits', () => {
    const hello = {
      root: Uint8Array.of(1),
      features: 0,
      manifest: true,
      have: { kind: 1, bitfield: new Uint8Array(0) },
      maxRequests: 0xffff_ffff,
      maxRequestBytes: 2 ** 50
    }
    expect(decodeMessage(Control.encode({ hello }))).toMatchObject({
      maxRequests: limits.MAX_REQUESTS_IN_FLIGHT,
      maxRequestBytes: limits.MAX_REQUEST_BYTES_IN_FLIGHT
    })
    expect(codeOf(() => decodeMessage(Control.encode({ hello: { ...hello, maxRequests: 0 } })))).toBe('ERR_PROTOCOL')
    expect(codeOf(() => decodeMessage(Control.encode({ hello: { ...hello, root: new Uint8Array(65) } })))).toBe(
      'ERR_LIMIT'
    )
  })

  it.each<[string, string, Parameters<typeof Control.encode>[0]]>([
    ['a request for nothing', 'ERR_PROTOCOL', { request: { id: 1, offset: 0, length: 0 } }],
    ['too large a request', 'ERR_LIMIT', { request: { id: 1, offset: 0, length: limits.MAX_REQUEST_BYTES + 1 } }],
    ['a request past 2^53', 'ERR_LIMIT', { request: { id: 1, offset: Number.MAX_SAFE_INTEGER, length: 1 } }],
    ['runs that do not pair', 'ERR_PROTOCOL', { have: { first: [1, 2], count: [1], coming: [] } }],
    ['an empty run', 'ERR_PROTOCOL', { have: { first: [1], count: [0], coming: [] } }],
    ['a run past the largest root', 'ERR_LIMIT', { have: { first: [0xffff_fff0], count: [0xff], coming: [] } }],
    ['too many runs', 'ERR_LIMIT', { have: { first: Array(4097).fill(1), count: Array(4097).fill(1), coming: [] } }],
    ['too many that come', 'ERR_LIMIT', { have: { first: [], count: [], coming: Array(1025).fill(0) } }],
    ['too many declined', 'ERR_LIMIT', { decline: { pieces: Array(1025).fill(0), busy: false } }],
    [
      'too many wanted',
      'ERR_LIMIT',
      { want: { urgent: { first: Array(4097).fill(1), count: Array(4097).fill(1), coming: [] }, only: false } }
    ],
    ['too many offers', 'ERR_LIMIT', { offer: { pieces: Array(1025).fill(0) } }],
    ['too many nodes asked', 'ERR_LIMIT', { nodeRequest: { first: 0, count: 1025 } }],
    ['nodes past their total', 'ERR_PROTOCOL', { nodes: { first: 3, total: 3, blocks: [Uint8Array.of(1)] } }],
    ['two messages in one', 'ERR_PROTOCOL', { choke: {}, unchoke: {} }],
    ['too many peers', 'ERR_LIMIT', { pex: { added: [], dropped: Array(51).fill('12D3') } }],
    ['a malformed peer ID', 'ERR_PROTOCOL', { pex: { added: [], dropped: ['../etc'] } }],
    [
      'too many addresses',
      'ERR_LIMIT',
      { pex: { added: [{ id: 'a', addrs: Array(9).fill('/ip4/127.0.0.1/tcp/1'), seeder: false }], dropped: [] } }
    ]
  ])('refuses %s', (_, code, control) => {
    expect(codeOf(() => decodeMessage(Control.encode(control)))).toBe(code)
  })

  it('keeps nothing of an address that is none', () => {
    const added = [{ id: 'abc', addrs: ['/ip4/127.0.0.1/tcp/1', 'http://x', '/a b'], seeder: true }]
    expect(decodeMessage(Control.encode({ pex: { added, dropped: [] } }))).toEqual({
      type: 'pex',
      added: [{ id: 'abc', addrs: ['/ip4/127.0.0.1/tcp/1'], seeder: true }],
      dropped: []
    })
  })

  it('survives deeply nested groups', () => {
    expect(codeOf(() => decodeMessage(new Uint8Array(1_000_000).fill(0xa3)))).toBe('ERR_PROTOCOL')
  })
})
