/** What users paste and strangers write as text: links, CIDs, multiaddrs, numbers, names. */
import { CODE_P2P, multiaddr } from '@multiformats/multiaddr'
import { formatBytes, formatDuration, formatRate, parseLimit, parseRate, parseSeconds } from '../../src/base/units.ts'
import { printable as printableCell } from '../../src/cli/render/text.ts'
import { parseCid } from '../../src/content/cid.ts'
import { formatLink, MAX_LINK_PEERS, parseSource } from '../../src/content/link.ts'
import { decodeName, fileNameFrom, nameProblem, printable, printableBytes } from '../../src/content/safe-path.ts'
import { linkAddrs, parseListenAddr, parseMultiaddr, plainAddrs } from '../../src/node/host/addresses.ts'
import { claim, orDeclared, type Target, textOf, texts, utf8 } from '../target.ts'

const V0 = 'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG'
const V1 = 'bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi'
const RAW = 'bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e'
const PEER = '/ip4/192.0.2.1/tcp/4160/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA'
/** Steers a terminal, hides, or reorders what is beside it. */
export const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|\p{Surrogate}/u

export const links: Target = {
  name: 'links',
  claims: 'a source or a declared error; a link made of the source means the same; its name is one safe component',
  maxBytes: 4_096,
  seeds: () =>
    texts(
      ...[V0, V1, RAW, `shoal:${V1}?name=film.mkv&peer=${PEER}`, `shoal://${RAW}?peer=${PEER}&peer=/ip6/::1/tcp/1#x`],
      ...[`ipfs://${V1}`, `/ipfs/${V0}/`, `shoal:${V1}?name=%E2%80%AEgpj.exe&x=1`, `SHOAL:${V1}?name=a/../b`]
    ),
  dictionary: texts(
    ...['shoal:', '//', '?', '&', '#', 'name=', 'peer=', '%2e%2e', '%00', '%', '%e2%80%ae', '/ip4/', '/dns4/', '/tcp/'],
    ...[
      '/p2p/',
      '/unix/',
      '/ip6zone/',
      '/certhash/',
      'ipfs:',
      '/ipfs/',
      V0,
      V1,
      RAW,
      '..',
      '\u202e',
      '\u0000',
      '\uffff'
    ]
  ),
  run: input => {
    const source = orDeclared(['ERR_BAD_LINK', 'ERR_BAD_CID', 'ERR_UNSUPPORTED_CID', 'ERR_BAD_MULTIADDR'], () =>
      parseSource(textOf(input))
    )
    if (source === undefined) return
    claim(source.peers.length <= MAX_LINK_PEERS, `${source.peers.length} peers`)
    if (source.name !== undefined) {
      claim(nameProblem(utf8(source.name)) === undefined, 'a name that is no component')
      claim(!UNSAFE.test(source.name), 'a name that misleads')
    }
    const link = formatLink(source)
    claim(/^[\x21-\x7e]+$/.test(link), 'a link that does not print')
    const again = parseSource(link)
    claim(again.cid.equals(source.cid.toV1()), 'another CID')
    claim(again.name === source.name, 'another name')
    claim(again.peers.join() === source.peers.join(), 'other peers')
  }
}

export const cids: Target = {
  name: 'cids',
  claims: 'a CID that shoal reads or a declared error',
  maxBytes: 512,
  seeds: () =>
    texts(V0, V1, RAW, `f01551220${'ab'.repeat(32)}`, 'zb2rhe5P4gXftAwvA4eXQ5HJwsER2owDyS9sKaQRRVQPn93bA', 'k2k4r8x'),
  run: input => {
    const cid = orDeclared(['ERR_BAD_CID', 'ERR_UNSUPPORTED_CID'], () => parseCid(textOf(input)))
    if (cid !== undefined) claim(parseCid(cid.toString()).equals(cid), 'another CID')
  }
}

export const addresses: Target = {
  name: 'addresses',
  claims: 'an address that can be dialled or listened on, or a declared error; lists from strangers never throw',
  maxBytes: 1_024,
  seeds: () =>
    texts(
      ...[PEER, '/ip4/0.0.0.0/tcp/0', '/ip6/fe80::1/tcp/9', '/dns4/host.example/tcp/1', '/dnsaddr/x', '127.0.0.1:80'],
      ...['/ip4/1.2.3.4/udp/1/quic-v1', '/ip6zone/eth0/ip6/::1/tcp/1', '/unix/%2ftmp%2fx', `/p2p/${V0}`, '/memory/1']
    ),
  dictionary: texts(
    '/ip4/',
    '/ip6/',
    '/tcp/',
    '/p2p/',
    '/dns/',
    '/p2p-circuit',
    '/ws',
    '/unix/',
    '/',
    '::',
    '65536',
    '%'
  ),
  run: input => {
    const text = textOf(input)
    const parsed = orDeclared(['ERR_BAD_MULTIADDR'], () => parseMultiaddr(text))
    if (parsed !== undefined) claim(parsed.addr !== undefined || parsed.peerId !== undefined, 'an address of nothing')
    orDeclared(['ERR_BAD_MULTIADDR'], () => parseListenAddr(text))
    const plain = plainAddrs(text.split('\n'))
    const names = plain.flatMap(addr =>
      multiaddr(addr)
        .getComponents()
        .map(({ code }) => code)
    )
    claim(!names.includes(CODE_P2P), 'an address with a peer ID')
    linkAddrs(plain)
  }
}

export const numbers: Target = {
  name: 'numbers',
  claims: 'a number in its range or a declared error; all of them print in few characters',
  maxBytes: 128,
  seeds: () =>
    texts('500K', '1.5M', '2G', '800000', 'none', '0', '0.0KB/s', '60', '0.001', '1e9', '9'.repeat(100), ' 7 '),
  dictionary: texts('K', 'M', 'G', 'T', 'B/s', '.', 'e', '-', '+', '0x', 'Infinity', 'NaN', '\u212a', 'none', 'off'),
  run: input => {
    const text = textOf(input)
    const rate = orDeclared(['ERR_BAD_NUMBER'], () => parseRate(text))
    claim(rate === undefined || (Number.isSafeInteger(rate) && rate >= 1), `the rate ${rate}`)
    const limit = orDeclared(['ERR_BAD_NUMBER'], () => parseLimit(text))
    claim(limit === undefined || limit === null || limit >= 1, `the limit ${limit}`)
    const ms = orDeclared(['ERR_BAD_NUMBER'], () => parseSeconds(text))
    claim(ms === undefined || (Number.isSafeInteger(ms) && ms >= 1), `the time ${ms}`)
    const number = Number.parseFloat(text)
    if (!Number.isFinite(number)) return
    for (const shown of [formatBytes(number), formatRate(number), formatDuration(number)]) {
      claim(Math.abs(number) > 1e18 || shown.length < 32, `${number} as ${shown}`)
    }
  }
}

export const names: Target = {
  name: 'names',
  claims:
    'whatever the name, what is printed neither steers a terminal nor misleads, and is the same when printed again',
  maxBytes: 1_024,
  seeds: () =>
    texts('film.mkv', '\u001b[31mred', '\u202egpj.exe', 'a\nb', '..', 'x'.repeat(300), '\u009b2J', '\u{e0041}', '日本'),
  dictionary: texts(
    '\u001b[',
    '\u202e',
    '\u2066',
    '\u061c',
    '\u200b',
    '\ufeff',
    '\ufff9',
    '\u{e007f}',
    '/',
    '..',
    '\u0000'
  ),
  run: input => {
    const name = decodeName(input)
    const shown = [printableBytes(input), printable(textOf(input)), printableCell(textOf(input))]
    if (name !== undefined) shown.push(printable(name), fileNameFrom(name) ?? '')
    for (const text of shown) claim(!UNSAFE.test(text), `unsafe text: ${JSON.stringify(text)}`)
    for (const text of shown.slice(0, 3))
      claim(printable(text) === text && printableCell(text) === text, 'escaped twice')
    nameProblem(input)
  }
}
