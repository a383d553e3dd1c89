/**
 * A fetch between two lives of the store. Its own writes change the times of its files, so while it is open nobody can
 * tell another program's from them; from the last close to the next load only others write. So the fingerprints are
 * recorded as the store closes, and whatever differs at the next load is hashed before it counts. Without that a file
 * that a backup brought back as it was days ago, its size the same, would end up in what the user gets.
 *
 * `closed` of the root's record says that the fingerprints are of now. It is taken back, durably, before anything is
 * written: after a crash nothing is compared.
 */

import { sameFingerprint } from '../fingerprint.ts'
import { printable } from '../safe-path.ts'
import { fingerprintsOf } from './fingerprints-of.ts'
import type { PartsInit, RootParts } from './root-parts.ts'

/** The last act of a root: all that it wrote is recorded, and its files are closed. */
export async function noteClosed({ db, record, threads }: PartsInit, { files, ledger }: RootParts): Promise<void> {
  const { state, temp, moving } = record.value
  if (state !== 'partial' || temp === null || moving || record.isDetached || ledger.have.count === 0) return
  const { prints } = await fingerprintsOf(files, threads)
  for (const [entry, print] of prints) files.prints.set(entry, { ...print, altered: false })
  record.set({ closed: true })
  await db.write([...files.printOps(record.id, prints.keys()), ...record.ops()], { sync: true })
}

/** The first act of a root whose temporary file is where it was left, its fingerprints loaded. */
export async function doubtChanged({ record, threads, log }: PartsInit, { files, ledger }: RootParts): Promise<void> {
  if (!record.value.closed) return
  const { prints } = await fingerprintsOf(files, threads)
  const doubted = new Set<number>()
  for (const entry of files.filesWithPieces()) {
    const [before, now] = [files.prints.get(entry), prints.get(entry)]
    if (before === undefined || (now !== undefined && sameFingerprint(before, now))) continue
    const held = [...files.spans(entry)].map(({ piece }) => piece).filter(piece => ledger.have.has(piece))
    if (held.length === 0) continue
    log.warn(
      '%s was changed since it was written: what was fetched of it is hashed again',
      printable(files.path(entry))
    )
    for (const piece of held) doubted.add(piece)
  }
  if (doubted.size > 0) await ledger.doubt([...doubted])
  await record.save({ closed: false })
}
