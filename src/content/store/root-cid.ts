/** CIDs of roots as the store compares and reads them. */
import { CID } from 'multiformats/cid'
import { checkCid, cidOf, DAG_PB, RAW } from '../cid.ts'

/** The same for CIDv0 and v1 of a root. */
export function rootCidKey(cid: CID): string {
  return `${cid.code}:${Buffer.from(cid.multihash.digest).toString('hex')}`
}

/** CIDv1, or undefined for what names no root. */
export function readRootCid(text: string): CID | undefined {
  try {
    const cid = checkCid(CID.parse(text))
    return cidOf(cid.code === RAW ? RAW : DAG_PB, cid.multihash.digest)
  } catch {
    return undefined
  }
}
