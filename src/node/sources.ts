/** What a user names content by, checked. Starts no network. */
import { ShoalError } from '../base/errors.ts'
import { parseSource as parseContentSource } from '../content/link.ts'

export interface Source {
  /** CIDv1, base32. */
  cid: string
  name?: string
  /** Multiaddrs. */
  peers: string[]
}

/** A CID or a link. @throws ERR_BAD_CID, ERR_UNSUPPORTED_CID, ERR_BAD_LINK, ERR_BAD_MULTIADDR */
export function parseSource(text: string): Source {
  if (typeof text !== 'string') throw new ShoalError('ERR_BAD_CID', `not a CID: ${text}`, { hint: 'give a string' })
  const { cid, name, peers } = parseContentSource(text)
  const source: Source = { cid: cid.toV1().toString(), peers: [...peers] }
  if (name !== undefined) source.name = name
  return source
}
