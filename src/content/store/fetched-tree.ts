/** What a fetched tree has besides pieces: folders, empty files, bytes inside DAG nodes, symbolic links. */
import { dirname, join } from 'node:path'
import { fromSystemError, systemCode } from '../../base/errors.ts'
import type { Skipped } from '../ingest.ts'
import type { Manifest } from '../manifest.ts'
import { printable } from '../safe-path.ts'
import { eachLimited } from './limit.ts'
import { linkProblem, linksOf } from './link-target.ts'
import type { PieceWriter } from './piece-writer.ts'
import type { RootFiles } from './root-files.ts'

const AT_ONCE = 16

/** Folders, files without pieces and inline bytes, synced; their names are by `makeLinks`. */
export async function makeTree(
  manifest: Manifest,
  files: RootFiles,
  writer: PieceWriter,
  readNode: (index: number) => Promise<Uint8Array>
): Promise<void> {
  for (const [index, entry] of manifest.entries.entries()) {
    if (entry.kind !== 'directory') continue
    const path = files.path(index)
    await files.disk.mkdirs(path).catch(err => {
      throw fromSystemError(err, path)
    })
    files.names.add(path, files.base)
  }
  const made = new Set<number>()
  await eachLimited(manifest.entries.entries(), AT_ONCE, async ([index, entry]) => {
    if (entry.kind !== 'file' || entry.size > 0) return
    await writer.touch(index)
    made.add(index)
  })
  for (const { entry, fileOffset, node, nodeOffset, length } of manifest.inline) {
    const block = await readNode(node)
    await writer.writeData(entry, fileOffset, block.subarray(nodeOffset, nodeOffset + length))
    made.add(entry)
  }
  await writer.syncAll(made)
}

/**
 * Last of all, so that no file was ever written through one. Makes the names in the whole tree durable.
 * @returns those that were not made
 */
export async function makeLinks(manifest: Manifest, { disk, base, names }: RootFiles): Promise<Skipped[]> {
  const links = linksOf(manifest.entries)
  const skipped = skippedLinks(manifest)
  for (const [path, target] of links) {
    if (linkProblem(path, target, links) !== undefined) continue
    const at = join(base, path)
    try {
      await disk.mkdirs(dirname(at))
      await disk.symlink(target, at)
      names.add(at, base)
    } catch (err) {
      if (systemCode(err) === 'EEXIST' && (await disk.readlink(at).catch(() => undefined)) === target) continue
      skipped.push({ path: printable(path), reason: `the symbolic link could not be made (${systemCode(err) ?? err})` })
    }
  }
  await names.sync()
  return skipped
}

/** Symbolic links that are never made: absolute ones, and those that lead outside. */
export function skippedLinks(manifest: Manifest): Skipped[] {
  const links = linksOf(manifest.entries)
  const skipped: Skipped[] = []
  for (const [path, target] of links) {
    const problem = linkProblem(path, target, links)
    if (problem !== undefined) skipped.push({ path: printable(path), reason: printable(problem) })
  }
  return skipped
}
