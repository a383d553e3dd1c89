/**
 * The UnixFS message in a dag-pb node's data:
 *
 *     1: Type, 2: Data, 3: filesize, 4: blocksizes (repeated), 5: hashType, 6: fanout, 7: mode, 8: mtime
 */
import { malformedRoot } from './malformed-root.ts'
import { MAX_HAMT_FANOUT } from './manifest-limits.ts'
import { PbReader, WIRE_BYTES, WIRE_VARINT } from './pb-reader.ts'

/** `file` is also UnixFS's old type `raw`: bytes without a name. */
export type DagNodeKind = 'file' | 'directory' | 'hamt' | 'symlink'

/** Field 1 of the UnixFS message. 3 is `metadata`, which nobody made. */
const KIND_OF_TYPE: ReadonlyMap<number, DagNodeKind> = new Map([
  [0, 'file'],
  [1, 'directory'],
  [2, 'file'],
  [4, 'symlink'],
  [5, 'hamt']
])

const MIN_HAMT_FANOUT = 8

export interface UnixfsData {
  kind: DagNodeKind
  dataOffset: number
  dataLength: number
  blockSizes: number[]
  fileSize: number | undefined
  fanout: number
}

/** @throws ERR_MALFORMED_ROOT */
export function readUnixfs(block: Uint8Array, start: number, end: number, maxLinks: number): UnixfsData {
  const reader = new PbReader(block, start, end)
  let type: number | undefined
  const found = {
    dataOffset: end,
    dataLength: 0,
    blockSizes: [] as number[],
    fileSize: undefined as number | undefined
  }
  let fanout = 0
  while (!reader.done) {
    const key = reader.varint()
    switch (key) {
      case (1 << 3) | WIRE_VARINT:
        type = reader.varint()
        break
      case (2 << 3) | WIRE_BYTES:
        found.dataLength = reader.skipBytes()
        found.dataOffset = reader.at - found.dataLength
        break
      case (3 << 3) | WIRE_VARINT:
        found.fileSize = reader.varint()
        break
      case (4 << 3) | WIRE_VARINT:
        found.blockSizes.push(reader.varint())
        break
      case (4 << 3) | WIRE_BYTES: {
        const length = reader.skipBytes()
        const packed = new PbReader(block, reader.at - length, reader.at)
        while (!packed.done && found.blockSizes.length <= maxLinks) found.blockSizes.push(packed.varint())
        break
      }
      case (6 << 3) | WIRE_VARINT:
        fanout = reader.varint()
        break
      default:
        if (key < 8) throw malformedRoot('field 0 in UnixFS data')
        reader.skip(key % 8)
    }
    if (found.blockSizes.length > maxLinks) throw malformedRoot(`a file node of more than ${maxLinks} block sizes`)
  }
  const kind = type === undefined ? undefined : KIND_OF_TYPE.get(type)
  if (kind === undefined) throw malformedRoot(`UnixFS type ${type ?? 'missing'}`)
  return { kind, fanout, ...found }
}

/** Bytes of a file node, own data and parts. @throws ERR_MALFORMED_ROOT where they do not add up */
export function sumFile(unixfs: UnixfsData, linkCount: number): number {
  if (unixfs.blockSizes.length !== linkCount) {
    throw malformedRoot(`a file node with ${linkCount} links and ${unixfs.blockSizes.length} block sizes`)
  }
  let sum = unixfs.dataLength
  for (const size of unixfs.blockSizes) sum += size
  if (!Number.isSafeInteger(sum)) throw malformedRoot('a file of more than 2^53 bytes')
  if (unixfs.fileSize !== undefined && unixfs.fileSize !== sum) {
    throw malformedRoot(`a file node states ${unixfs.fileSize} bytes, its parts ${sum}`)
  }
  return sum
}

/** @throws ERR_MALFORMED_ROOT */
export function checkFanout(fanout: number): number {
  if (fanout < MIN_HAMT_FANOUT || fanout > MAX_HAMT_FANOUT || (fanout & (fanout - 1)) !== 0) {
    throw malformedRoot(`a HAMT shard of width ${fanout}`)
  }
  return fanout
}
