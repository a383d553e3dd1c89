/**
 * `shoal:<cid>?name=<file name>&peer=<multiaddr>&peer=…`: what to fetch, what to call it, and whom to ask first; made
 * like a magnet link. Parameters that are not known are ignored, so that later ones do no harm.
 */
import { multiaddr } from '@multiformats/multiaddr'
import type { CID } from 'multiformats/cid'
import { ShoalError } from '../base/errors.ts'
import { parseCid } from './cid.ts'
import { fileNameFrom, printable } from './safe-path.ts'

export interface Source {
  readonly cid: CID
  /**
   * One safe file name. Of what the link says only the last path component is taken (`a/../b.txt` is `b.txt`); where
   * that leaves nothing usable (`..`), there is no name.
   */
  readonly name?: string
  /** Multiaddrs, in order, without duplicates. */
  readonly peers: readonly string[]
}

const MAX_LINK_LENGTH = 65_536
/** More than anybody needs to find a swarm; further ones are ignored. */
export const MAX_LINK_PEERS = 64

const SHOAL = /^shoal:(?:\/\/)?([^?#]*)(?:\?([^#]*))?(?:#.*)?$/is
const IPFS = /^(?:ipfs:\/\/|\/ipfs\/)([^/?#]*)\/*(?:[?#].*)?$/is
const FOREIGN_SCHEME = /^[a-z][a-z0-9+.-]*:/i

/**
 * A CID, a shoal link, `ipfs://<cid>` or `/ipfs/<cid>`.
 * @throws ERR_BAD_LINK, ERR_BAD_CID, ERR_UNSUPPORTED_CID, ERR_BAD_MULTIADDR
 */
export function parseSource(text: string): Source {
  const source = text.trim()
  if (source.length > MAX_LINK_LENGTH) throw badLink(source, `it has ${source.length} characters`)
  const shoal = SHOAL.exec(source)
  if (shoal !== null) {
    const cid = parseCid(decode(shoal[1] ?? '', source))
    return { cid, ...parseQuery(shoal[2] ?? '', source) }
  }
  if (/^(ipfs:|\/ipfs\/)/i.test(source)) {
    const cid = IPFS.exec(source)?.[1]
    if (cid === undefined) throw badLink(source, 'it names something inside a folder, and shoal fetches whole roots')
    return { cid: parseCid(cid), peers: [] }
  }
  if (FOREIGN_SCHEME.test(source)) throw badLink(source, 'it is of another kind')
  return { cid: parseCid(source), peers: [] }
}

/** @param source `peers` as multiaddrs; more than MAX_LINK_PEERS are cut */
export function formatLink(source: { cid: CID; name?: string | undefined; peers?: readonly string[] }): string {
  const parameters = (source.peers ?? []).slice(0, MAX_LINK_PEERS).map(peer => `peer=${encode(peer)}`)
  if (source.name !== undefined && source.name !== '') parameters.unshift(`name=${encode(source.name)}`)
  const query = parameters.length === 0 ? '' : `?${parameters.join('&')}`
  return `shoal:${source.cid.toV1()}${query}`
}

function parseQuery(query: string, link: string): { name?: string; peers: string[] } {
  const peers = new Set<string>()
  let name: string | undefined
  for (const parameter of query.split('&')) {
    const at = parameter.indexOf('=')
    const key = at < 0 ? parameter : parameter.slice(0, at)
    if (key !== 'name' && key !== 'peer') continue
    const value = decode(at < 0 ? '' : parameter.slice(at + 1), link)
    if (key === 'name') name ??= fileNameFrom(value)
    else if (peers.size < MAX_LINK_PEERS) peers.add(checkMultiaddr(value))
  }
  return name === undefined ? { peers: [...peers] } : { name, peers: [...peers] }
}

/** @throws ERR_BAD_MULTIADDR */
function checkMultiaddr(text: string): string {
  try {
    if (text.startsWith('/') && text.length > 1) return multiaddr(text).toString()
  } catch (cause) {
    throw badMultiaddr(text, cause)
  }
  throw badMultiaddr(text)
}

function badMultiaddr(text: string, cause?: unknown): ShoalError {
  return new ShoalError('ERR_BAD_MULTIADDR', `not a multiaddr: ${JSON.stringify(printable(text.slice(0, 120)))}`, {
    ...(cause === undefined ? {} : { cause }),
    hint: 'a multiaddr looks like /ip4/192.0.2.1/tcp/4160'
  })
}

function badLink(link: string, why: string): ShoalError {
  return new ShoalError('ERR_BAD_LINK', `not a shoal link: ${JSON.stringify(printable(link.slice(0, 120)))}: ${why}`, {
    hint: 'a link looks like shoal:bafy…?name=…&peer=…; a CID alone will do too'
  })
}

function decode(text: string, link: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw badLink(link, 'a percent sign is not followed by two hexadecimal digits of UTF-8')
  }
}

/** Slashes and colons stay readable: a query may hold them (RFC 3986, 3.4). */
function encode(text: string): string {
  return encodeURIComponent(text.replace(/\p{Surrogate}/gu, '\ufffd'))
    .replaceAll('%2F', '/')
    .replaceAll('%3A', ':')
}
