/**
 * Keys and values of the store's records (docs/store.md). A value is crc32(key ‖ payload), 4 bytes little endian, then
 * the payload. Decoders take arbitrary bytes and give undefined for what is no such record; they never throw.
 */
import { crc32 } from 'node:zlib'
import { Bitfield } from '../bitfield.ts'
import type { FileFingerprint } from '../fingerprint.ts'

export const STORE_VERSION = 1
/** Pieces in one `have` or `written` record. A multiple of 8. */
export const PIECES_PER_RECORD = 32_768
/** File entries in one `file` record. */
export const FILES_PER_RECORD = 512
const FINGERPRINT_BYTES = 45
const CRC_BYTES = 4

const hex = (n: number) => n.toString(16).padStart(8, '0')

export const versionKey = 'version'
export const rootKey = (id: number) => `root/${hex(id)}`
export const nodeKey = (id: number, index: number) => `node/${hex(id)}/${hex(index)}`
export const fileKey = (id: number, group: number) => `file/${hex(id)}/${hex(group)}`
export const haveKey = (id: number, chunk: number) => `have/${hex(id)}/${hex(chunk)}`
export const writtenKey = (id: number, chunk: number) => `written/${hex(id)}/${hex(chunk)}`
/** A root whose files are being deleted: its record as it was. */
export const evictKey = (id: number) => `evict/${hex(id)}`
export const envKey = (id: number, piece: number) => `env/${hex(id)}/${hex(piece)}`

/** The kinds of records that belong to a root and lie under `<kind>/<id>/`. */
export const ROOT_KINDS = ['node', 'file', 'have', 'written', 'env'] as const
export type RootKind = (typeof ROOT_KINDS)[number]
export const kindPrefix = (kind: RootKind, id: number) => `${kind}/${hex(id)}/`

/** The id within a key of a root's record, and the number after it (-1 for `root/<id>`). */
export function parseKey(key: string): { kind: string; id: number; index: number } | undefined {
  const match = /^([a-z]+)\/([0-9a-f]{8})(?:\/([0-9a-f]{8}))?$/.exec(key)
  if (match?.[1] === undefined || match[2] === undefined) return undefined
  return {
    kind: match[1],
    id: Number.parseInt(match[2], 16),
    index: match[3] === undefined ? -1 : Number.parseInt(match[3], 16)
  }
}

export function seal(key: string, payload: Uint8Array): Uint8Array {
  const value = new Uint8Array(CRC_BYTES + payload.byteLength)
  value.set(payload, CRC_BYTES)
  new DataView(value.buffer).setUint32(0, crc32(payload, crc32(key)), true)
  return value
}

/** The payload (a view), or undefined where the checksum does not match. */
export function unseal(key: string, value: Uint8Array): Uint8Array | undefined {
  if (value.byteLength < CRC_BYTES) return undefined
  const payload = value.subarray(CRC_BYTES)
  const stated = new DataView(value.buffer, value.byteOffset).getUint32(0, true)
  return stated === crc32(payload, crc32(key)) ? payload : undefined
}

export interface RootRecord {
  cid: string
  name: string
  path: string
  source: 'share' | 'get'
  state: 'complete' | 'partial' | 'damaged'
  temp: string | null
  tempId: string | null
  moving: boolean
  /** Of a fetch: nothing was written since the fingerprints were recorded. Older versions drop the field. */
  closed: boolean
  /** Of a fetch: another data folder may have made the temporary file: it is never deleted. Older versions drop it. */
  adopted: boolean
  addedAt: number
  nodes: number
  pieces: number
  totalBytes: number
  heldPieces: number
  heldBytes: number
  problem: string | null
  /** The node may delete its files when it needs room. Older versions drop the field: then it may not. */
  evictable: boolean
}

export function encodeJson(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}

export function decodeJson(payload: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString())
  } catch {
    return undefined
  }
}

const isCount = (v: unknown): v is number => typeof v === 'number' && Number.isSafeInteger(v) && v >= 0
const isText = (v: unknown): v is string => typeof v === 'string'
const isTextOrNull = (v: unknown): v is string | null => v === null || typeof v === 'string'

export function decodeRoot(payload: Uint8Array): RootRecord | undefined {
  const v = decodeJson(payload)
  if (typeof v !== 'object' || v === null) return undefined
  const r = v as Partial<Record<keyof RootRecord, unknown>>
  if (!isText(r.cid) || !isText(r.name) || !isText(r.path)) return undefined
  if (r.source !== 'share' && r.source !== 'get') return undefined
  if (r.state !== 'complete' && r.state !== 'partial' && r.state !== 'damaged') return undefined
  if (!isTextOrNull(r.temp) || !isTextOrNull(r.tempId) || !isTextOrNull(r.problem)) return undefined
  if (typeof r.moving !== 'boolean' || !isCount(r.addedAt) || !isCount(r.nodes) || !isCount(r.pieces)) return undefined
  if (!isCount(r.totalBytes) || !isCount(r.heldPieces) || !isCount(r.heldBytes)) return undefined
  return {
    cid: r.cid,
    name: r.name,
    path: r.path,
    source: r.source,
    state: r.state,
    temp: r.temp,
    tempId: r.tempId,
    moving: r.moving,
    closed: r.closed === true,
    adopted: r.adopted === true,
    addedAt: r.addedAt,
    nodes: r.nodes,
    pieces: r.pieces,
    totalBytes: r.totalBytes,
    heldPieces: r.heldPieces,
    heldBytes: r.heldBytes,
    problem: r.problem,
    evictable: r.evictable === true
  }
}

/** A fingerprint as stored. `altered`: some pieces of the file did not match when it was taken. */
export interface StoredFingerprint extends FileFingerprint {
  readonly altered: boolean
}

export function encodeFingerprints(files: Iterable<readonly [entry: number, print: StoredFingerprint]>): Uint8Array {
  const list = [...files]
  const bytes = new Uint8Array(list.length * FINGERPRINT_BYTES)
  const view = new DataView(bytes.buffer)
  list.forEach(([entry, print], i) => {
    const at = i * FINGERPRINT_BYTES
    view.setUint32(at, entry, true)
    view.setUint8(at + 4, print.altered ? 1 : 0)
    view.setBigUint64(at + 5, BigInt(print.size), true)
    view.setBigInt64(at + 13, print.mtimeNs, true)
    view.setBigInt64(at + 21, print.ctimeNs, true)
    view.setBigUint64(at + 29, print.ino, true)
    view.setBigUint64(at + 37, print.dev, true)
  })
  return bytes
}

export function decodeFingerprints(payload: Uint8Array): Map<number, StoredFingerprint> | undefined {
  if (payload.byteLength % FINGERPRINT_BYTES !== 0) return undefined
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength)
  const files = new Map<number, StoredFingerprint>()
  for (let at = 0; at < payload.byteLength; at += FINGERPRINT_BYTES) {
    files.set(view.getUint32(at, true), {
      altered: (view.getUint8(at + 4) & 1) !== 0,
      size: Number(view.getBigUint64(at + 5, true)),
      mtimeNs: view.getBigInt64(at + 13, true),
      ctimeNs: view.getBigInt64(at + 21, true),
      ino: view.getBigUint64(at + 29, true),
      dev: view.getBigUint64(at + 37, true)
    })
  }
  return files
}

/** Bytes of chunk `chunk` of a bitfield; a view. Undefined where no bit of it is set. */
export function encodeBits(bits: Bitfield, chunk: number): Uint8Array | undefined {
  const bytes = bits.bytes.subarray((chunk * PIECES_PER_RECORD) / 8, ((chunk + 1) * PIECES_PER_RECORD) / 8)
  return bytes.every(byte => byte === 0) ? undefined : bytes
}

/** Adds the bits of a chunk record to `into`. False where the record does not fit the number of pieces. */
export function decodeBits(payload: Uint8Array, chunk: number, into: Bitfield): boolean {
  const first = chunk * PIECES_PER_RECORD
  const count = Math.min(PIECES_PER_RECORD, into.length - first)
  if (count <= 0) return false
  const bits = Bitfield.fromBytes(payload, count)
  if (bits === undefined) return false
  for (const piece of bits.ones()) into.add(first + piece)
  return true
}

/** What surrounds the file bytes in a dag-pb leaf. */
export interface Envelope {
  readonly prefix: Uint8Array
  readonly suffix: Uint8Array
}

export function encodeEnvelope({ prefix, suffix }: Envelope): Uint8Array {
  const bytes = new Uint8Array(4 + prefix.byteLength + suffix.byteLength)
  new DataView(bytes.buffer).setUint32(0, prefix.byteLength, true)
  bytes.set(prefix, 4)
  bytes.set(suffix, 4 + prefix.byteLength)
  return bytes
}

export function decodeEnvelope(payload: Uint8Array): Envelope | undefined {
  if (payload.byteLength < 4) return undefined
  const length = new DataView(payload.buffer, payload.byteOffset).getUint32(0, true)
  if (4 + length > payload.byteLength) return undefined
  return { prefix: payload.subarray(4, 4 + length), suffix: payload.subarray(4 + length) }
}
