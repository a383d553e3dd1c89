/** Pieces that were written but not recorded before the process ended: hashed, and held again where they match. */
import { throwIfAborted } from '../../base/errors.ts'
import { eachLimited } from './limit.ts'
import { SuspectFile } from './root-files.ts'
import type { RootParts } from './root-parts.ts'

const HASHES_AT_ONCE = 4
/** Small files that are not recorded by then are so while the fetch goes on. */
const RECORDING_MS = 500

/** @returns how many of them are held now */
export async function recheckUnrecorded(
  { manifest, files, ledger, reader, writer }: Omit<RootParts, 'inspection'>,
  signal?: AbortSignal
): Promise<number> {
  let found = 0
  await eachLimited([...ledger.unrecorded.ones()], HASHES_AT_ONCE, async piece => {
    throwIfAborted(signal)
    const spans = manifest.spansOf(piece)
    const block = await reader.readVerified(piece)
    if (block === undefined) return ledger.disproved([piece])
    for (const span of files.isPartial ? spans : []) {
      try {
        if ((await reader.readSpan(piece, span)) !== undefined) {
          // A power cut may have kept the bytes and not the size, and a read trusts no file of another size.
          await writer.touch(span.entry)
        } else await writer.writeData(span.entry, span.fileOffset, await reader.dataOf(piece, block))
      } catch (err) {
        if (!(err instanceof SuspectFile)) throw err
        // That file has changed too: the piece is fetched again.
        return ledger.disproved([piece])
      }
    }
    await ledger.wrote(
      [piece],
      spans.map(({ entry }) => entry),
      spans.reduce((sum, { length }) => sum + length, 0)
    )
    found += 1
  })
  await ledger.flush({ withinMs: RECORDING_MS })
  return found
}
