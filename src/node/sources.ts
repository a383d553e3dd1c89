/** What a user names content and peers by, checked. Starts no network. */
import { parseSource as parseContentSource } from '../content/link.ts'
import { parseListenAddr, parseMultiaddr } from './host/addresses.ts'

export interface Source {
  /** CIDv1, base32. */
  cid: string
  name?: string
  /** Multiaddrs. */
  peers: string[]
}

/** A CID or a link. @throws ERR_BAD_CID, ERR_UNSUPPORTED_CID, ERR_BAD_LINK, ERR_BAD_MULTIADDR */
export function parseSource(text: string): Source {
  const { cid, name, peers } = parseContentSource(text)
  const source: Source = { cid: cid.toV1().toString(), peers: [...peers] }
  if (name !== undefined) source.name = name
  return source
}

/** Returns the address as given. @throws ERR_BAD_MULTIADDR */
export function checkMultiaddr(text: string): string {
  parseMultiaddr(text)
  return text
}

/** An address to listen on. @throws ERR_BAD_MULTIADDR */
export function checkListenAddr(text: string): string {
  parseListenAddr(text)
  return text
}
