/** CIDs that shoal reads: v0 or v1, raw or dag-pb, sha2-256. */
import { base32upper } from 'multiformats/bases/base32'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { ShoalError } from '../base/errors.ts'

export const RAW = 0x55
export const DAG_PB = 0x70
export const SHA2_256 = 0x12

/**
 * In base 32 of small or capital letters (as in QR codes), 36 or 58: the same CID.
 * @throws ERR_BAD_CID for what is no CID at all; ERR_UNSUPPORTED_CID for a codec or hash that shoal cannot read
 */
export function parseCid(text: string): CID {
  let cid: CID
  try {
    const given = text.trim()
    const read = given.startsWith(base32upper.prefix) ? CID.parse(given, base32upper) : CID.parse(given)
    // one that was read as `bAFY…` is printed so, too, and would pass for another
    cid = CID.decode(read.bytes)
  } catch (cause) {
    throw new ShoalError('ERR_BAD_CID', `not a CID: ${JSON.stringify(text.slice(0, 120))}`, {
      cause,
      hint: 'a CID looks like bafybei… or Qm…; shoal hash PATH prints one'
    })
  }
  return checkCid(cid)
}

/** @throws ERR_UNSUPPORTED_CID */
export function checkCid(cid: CID): CID {
  if (cid.code !== RAW && cid.code !== DAG_PB) {
    throw new ShoalError(
      'ERR_UNSUPPORTED_CID',
      `cannot read ${cid}: codec 0x${cid.code.toString(16)} is no file content`,
      {
        hint: 'shoal reads raw and dag-pb (UnixFS) content'
      }
    )
  }
  if (cid.multihash.code !== SHA2_256 || cid.multihash.digest.byteLength !== 32) {
    throw new ShoalError(
      'ERR_UNSUPPORTED_CID',
      `cannot read ${cid}: hash 0x${cid.multihash.code.toString(16)} is not sha2-256`,
      {
        hint: 'shoal reads content addressed by sha2-256'
      }
    )
  }
  return cid
}

/** @param digest 32 bytes, copied */
export function cidOf(codec: typeof RAW | typeof DAG_PB, digest: Uint8Array): CID {
  return CID.createV1(codec, createDigest(SHA2_256, digest.slice()))
}
