import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ShoalError } from '../../src/base/errors.ts'
import { cidOf, RAW } from '../../src/content/cid.ts'
import { formatLink, MAX_LINK_PEERS, parseSource } from '../../src/content/link.ts'

const CID = 'bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e'
const V0 = 'Qmf412jQZiuVUtdgnB36FXFX7xg5V6KEbSJ4dpQuhkLyfD'
const PEER = '/ip4/127.0.0.1/tcp/4160/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp'

function codeOf(text: string): string {
  try {
    parseSource(text)
    return 'none'
  } catch (err) {
    return err instanceof ShoalError ? err.code : `undeclared: ${err}`
  }
}

test.each([
  CID,
  ` ${CID}\n`,
  `shoal:${CID}`,
  `SHOAL:${CID}`,
  `shoal://${CID}`,
  `shoal:${CID}?`,
  `shoal:${CID}?later=1&x#fragment`,
  `ipfs://${CID}`,
  `ipfs://${CID}/`,
  `/ipfs/${CID}`,
  `/ipfs/${CID}?filename=x`
])('%j names the root and nothing else', text => {
  const { cid, ...rest } = parseSource(text)
  expect(cid.toString()).toBe(CID)
  expect(rest).toEqual({ peers: [] })
})

test('a CIDv0 is read; a link has version 1', () => {
  expect(parseSource(V0).cid.toString()).toBe(V0)
  expect(formatLink({ cid: parseSource(V0).cid })).toMatch(/^shoal:bafybei[a-z2-7]+$/)
})

test('name and peers', () => {
  const link = `shoal:${CID}?name=a%20b%26c%2Bd+e.txt&peer=${PEER}&peer=%2Fip4%2F10.0.0.1%2Ftcp%2F1&peer=${PEER}`
  expect(parseSource(link)).toMatchObject({ name: 'a b&c+d+e.txt', peers: [PEER, '/ip4/10.0.0.1/tcp/1'] })
  expect(formatLink({ cid: parseSource(CID).cid, name: 'a b&c.txt', peers: [PEER] })).toBe(
    `shoal:${CID}?name=a%20b%26c.txt&peer=${PEER}`
  )
})

test('what is printed is read back', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.option(
        fc
          .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
          .filter(name => !/[/\p{Cc}\u2028\u2029]|^\.\.?$/u.test(name)),
        { nil: undefined }
      ),
      fc.uniqueArray(
        fc.tuple(fc.ipV4(), fc.integer({ min: 1, max: 65_535 })).map(([ip, port]) => `/ip4/${ip}/tcp/${port}`)
      ),
      (digest, name, peers) => {
        const cid = cidOf(RAW, digest)
        const parsed = parseSource(formatLink({ cid, name, peers }))
        expect(parsed.cid.equals(cid)).toBe(true)
        expect(parsed.name).toBe(name)
        expect(parsed.peers).toEqual(peers)
      }
    )
  )
})

describe('names stay within a folder', () => {
  test.each([
    ['../../etc/passwd', 'passwd'],
    ['a/b/', 'b'],
    ['%2Fabs', 'abs'],
    ['..', undefined],
    ['', undefined],
    ['%2F', undefined],
    ['a%00b', 'a_b'],
    ['a%0Ab%1B[31m', 'a_b_[31m']
  ])('%s', (name, expected) => {
    expect(parseSource(`shoal:${CID}?name=${name}`).name).toBe(expected)
  })
})

test('no more peers than a limit', () => {
  const peers = Array.from({ length: 100 }, (_, i) => `/ip4/10.0.0.${i}/tcp/1`)
  expect(parseSource(formatLink({ cid: parseSource(CID).cid, peers })).peers.length).toBe(MAX_LINK_PEERS)
  const long = peers.map(peer => `peer=${peer}`).join('&')
  expect(parseSource(`shoal:${CID}?${long}`).peers.length).toBe(MAX_LINK_PEERS)
})

test.each([
  ['', 'ERR_BAD_CID'],
  ['nonsense', 'ERR_BAD_CID'],
  ['shoal:', 'ERR_BAD_CID'],
  [`shoal:${CID.slice(0, -1)}`, 'ERR_BAD_CID'],
  ['shoal:?name=x', 'ERR_BAD_CID'],
  ['ipfs://', 'ERR_BAD_CID'],
  ['magnet:?xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a', 'ERR_BAD_LINK'],
  [`https://example.org/ipfs/${CID}`, 'ERR_BAD_LINK'],
  [`ipfs://${CID}/a/file`, 'ERR_BAD_LINK'],
  [`shoal:${CID}?name=%E4`, 'ERR_BAD_LINK'],
  [`shoal:${CID}?name=%`, 'ERR_BAD_LINK'],
  [`shoal:${CID}?name=${'x'.repeat(70_000)}`, 'ERR_BAD_LINK'],
  [`shoal:${CID}?peer=127.0.0.1:4160`, 'ERR_BAD_MULTIADDR'],
  [`shoal:${CID}?peer=/ip4/300.0.0.1/tcp/1`, 'ERR_BAD_MULTIADDR'],
  [`shoal:${CID}?peer=/`, 'ERR_BAD_MULTIADDR'],
  [`shoal:${CID}?peer`, 'ERR_BAD_MULTIADDR'],
  ['bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy', 'ERR_UNSUPPORTED_CID']
])('%j is refused with %s', (text, code) => {
  expect(codeOf(text)).toBe(code)
})

test('any text is a source or a declared error', () => {
  const declared = ['none', 'ERR_BAD_LINK', 'ERR_BAD_CID', 'ERR_UNSUPPORTED_CID', 'ERR_BAD_MULTIADDR']
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string().map(rest => `shoal:${CID}?${rest}`),
    fc.string({ unit: 'binary' }).map(rest => `shoal:${CID}?peer=${rest}`),
    fc.string().map(rest => `shoal:${CID}?peer=/${rest}`),
    fc
      .array(fc.constantFrom('ip4', 'tcp', '1.2.3.4', '80', 'p2p', 'dns4', 'x', '', 'unix', 'http', 'quic-v1'))
      .map(parts => `shoal:${CID}?peer=/${parts.join('/')}`)
  )
  fc.assert(
    fc.property(text, source => {
      expect(declared).toContain(codeOf(source))
    }),
    { numRuns: 1000 }
  )
})
