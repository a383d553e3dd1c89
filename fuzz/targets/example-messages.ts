import type { Message } from '../../src/transfer/protocol/messages.ts'

/** One of each kind at least, as well-behaved peers send them. */
export function exampleMessages(
  root: Uint8Array = Uint8Array.from([1, 0x70, 0x12, 0x20, ...new Array(32).fill(7)])
): Message[] {
  const hello = { type: 'hello', root, features: 1, maxRequests: 128, maxRequestBytes: 4 << 20 } as const
  return [
    { ...hello, manifest: true, have: { kind: 'all' } },
    { ...hello, manifest: false, have: { kind: 'none' } },
    { ...hello, manifest: true, have: { kind: 'bitfield', bytes: Uint8Array.of(0b1010_0000, 0) } },
    { type: 'haveBitfield', have: { kind: 'bitfield', bytes: Uint8Array.of(255, 192) } },
    {
      type: 'have',
      runs: [
        { first: 0, count: 3 },
        { first: 5, count: 1 }
      ],
      coming: [7, 8]
    },
    { type: 'lost', runs: [{ first: 1, count: 1 }] },
    { type: 'interested' },
    { type: 'notInterested' },
    { type: 'choke' },
    { type: 'unchoke' },
    { type: 'offer', pieces: [0, 1, 2] },
    { type: 'suggest', pieces: [9] },
    { type: 'decline', pieces: [1], busy: true },
    { type: 'arriving', pieces: [3, 4] },
    { type: 'want', urgent: [{ first: 2, count: 2 }], ahead: [{ first: 4, count: 1 }], only: false },
    { type: 'request', id: 1, offset: 0, length: 16_384 },
    { type: 'cancel', id: 1 },
    { type: 'reject', id: 2, code: 'busy' },
    { type: 'nodeRequest', first: 0, count: 4 },
    { type: 'nodes', first: 0, total: 2, blocks: [Uint8Array.of(10, 2, 8, 1), Uint8Array.of(10, 2, 8, 2)] },
    {
      type: 'pex',
      added: [
        { id: '12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA', addrs: ['/ip4/192.0.2.1/tcp/4160'], seeder: true }
      ],
      dropped: ['QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N']
    },
    { type: 'goodbye', code: 'stopping', message: 'see you' }
  ]
}
