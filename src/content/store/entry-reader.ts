import { ShoalError } from '../../base/errors.ts'
import { leafData } from '../dag-node.ts'
import type { Manifest } from '../manifest.ts'
import { filePartsOf } from '../unixfs-reader.ts'

interface Source {
  readonly manifest: Manifest
  read(offset: number, length: number): Promise<Uint8Array>
  readNode(index: number): Promise<Uint8Array>
}

/**
 * Bytes [offset, offset + length) of one file, out of pieces and of DAG nodes that hold some of it.
 * @param entry index into `manifest.entries`, of a file
 */
export async function readEntry(source: Source, entry: number, offset: number, length: number): Promise<Uint8Array> {
  const { manifest } = source
  const { pieces } = manifest
  const file = manifest.entries[entry]
  if (file?.kind !== 'file' || !(offset >= 0) || !(length >= 0) || offset + length > file.size) {
    throw new ShoalError('ERR_BUG', `a read of ${length} bytes at ${offset} leaves entry ${entry}`)
  }
  const out = new Uint8Array(length)
  for (const part of filePartsOf(manifest, entry, offset, length)) {
    const at = part.fileOffset - offset
    if (part.kind === 'inline') {
      const block = await source.readNode(part.node)
      out.set(block.subarray(part.nodeOffset, part.nodeOffset + part.length), at)
    } else if (pieces.isDagPb(part.piece)) {
      const block = await source.read(pieces.offset(part.piece), pieces.wireSize(part.piece))
      const start = leafData(block, pieces.dataSize(part.piece)).offset + part.pieceOffset
      out.set(block.subarray(start, start + part.length), at)
    } else {
      out.set(await source.read(pieces.offset(part.piece) + part.pieceOffset, part.length), at)
    }
  }
  return out
}
