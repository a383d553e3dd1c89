/**
 * What of a root's tree is not as its manifest says, beyond the bytes of pieces: kinds, sizes, targets of links, bytes
 * that lie in DAG nodes. And what is only missing, made again.
 */
import { systemCode, throwIfAborted } from '../../base/errors.ts'
import { fingerprintOf } from '../fingerprint.ts'
import type { ManifestEntry } from '../manifest.ts'
import type { FileStats } from './disk.ts'
import { makeLinks } from './fetched-tree.ts'
import { eachLimited } from './limit.ts'
import { linkProblem, linksOf } from './link-target.ts'
import { type RootFiles, SuspectFile } from './root-files.ts'

const AT_ONCE = 32

export interface TreeFault {
  readonly entry: number
  /** A phrase that follows the name: `was deleted`, `is not empty any more`, … */
  readonly reason: string
  /** Nothing is there, and it is made without any piece: a folder, an empty file, a symbolic link. */
  readonly isMissing: boolean
}

type ReadNode = (index: number) => Promise<Uint8Array>

/** In order of entries. Symbolic links that are never made are not looked for, and what else lies there does not matter. */
export async function treeFaults(files: RootFiles, readNode: ReadNode, signal?: AbortSignal): Promise<TreeFault[]> {
  const { entries } = files.manifest
  const links = linksOf(entries)
  const faults = new Map<number, TreeFault>()
  await eachLimited(entries.entries(), AT_ONCE, async ([index, entry]) => {
    throwIfAborted(signal)
    if (entry.kind === 'symlink' && linkProblem(entry.path, entry.target, links) !== undefined) return
    const reason = await entryFault(files, index, entry)
    if (reason === undefined) return
    const isMissing = reason === DELETED && !(entry.kind === 'file' && entry.size > 0)
    faults.set(index, { entry: index, reason, isMissing })
  })
  for (const fault of await inlineFaults(files, readNode, { except: faults, signal })) faults.set(fault.entry, fault)
  return [...faults.values()].sort((a, b) => a.entry - b.entry)
}

/** Files whose bytes inside DAG nodes are not there, each once: no piece and perhaps no fingerprint tells of those. */
export async function inlineFaults(
  files: RootFiles,
  readNode: ReadNode,
  { except, signal }: { except?: { has(entry: number): boolean }; signal?: AbortSignal | undefined } = {}
): Promise<TreeFault[]> {
  const faults = new Map<number, TreeFault>()
  for (const { entry, fileOffset, node, nodeOffset, length } of files.manifest.inline) {
    throwIfAborted(signal)
    if (faults.has(entry) || except?.has(entry) === true) continue
    const want = (await readNode(node)).subarray(nodeOffset, nodeOffset + length)
    const there = Buffer.alloc(length)
    const reason = await files.readUnchecked(entry, fileOffset, there).then(
      () => (there.equals(want) ? undefined : 'was changed'),
      (err: unknown) => {
        if (err instanceof SuspectFile) return err.reason
        throw err
      }
    )
    if (reason !== undefined) faults.set(entry, { entry, reason, isMissing: false })
  }
  return [...faults.values()]
}

const DELETED = 'was deleted'

async function entryFault(files: RootFiles, index: number, entry: ManifestEntry): Promise<string | undefined> {
  const { disk } = files
  const at = files.path(index)
  let stats: FileStats
  try {
    stats = await disk.lstat(at)
  } catch (err) {
    const system = systemCode(err)
    if (system === undefined) throw err
    return system === 'ENOENT' || system === 'ENOTDIR' ? DELETED : `cannot be looked at (${system})`
  }
  switch (entry.kind) {
    case 'directory':
      return stats.isDirectory() ? undefined : 'is no folder any more'
    case 'symlink': {
      if (!stats.isSymbolicLink()) return 'is no symbolic link any more'
      return (await disk.readlink(at)) === entry.target ? undefined : 'leads elsewhere'
    }
    case 'file': {
      if (!stats.isFile()) return 'is no file any more'
      const size = Number(stats.size)
      if (size === entry.size) return undefined
      return size < entry.size ? 'is too short' : entry.size === 0 ? 'is not empty any more' : 'is too long'
    }
  }
}

/**
 * Makes what is only missing, never through a symbolic link, its names durable.
 * @returns the files that were made, their fingerprints taken
 * @throws system errors
 */
export async function makeMissing(files: RootFiles, faults: readonly TreeFault[]): Promise<number[]> {
  const { disk, manifest, names, base } = files
  const made: number[] = []
  for (const { entry } of faults) {
    const at = files.path(entry)
    const { kind } = manifest.entries[entry] ?? {}
    if (kind === 'directory') await disk.mkdir(at).catch(ignoreThere)
    else if (kind === 'file') {
      const file = await disk.open(at, 'write')
      await file.datasync().finally(() => file.close())
      files.prints.set(entry, { ...fingerprintOf(await disk.lstat(at)), altered: false })
      made.push(entry)
    } else continue
    names.add(at, base)
  }
  await makeLinks(manifest, files)
  return made
}

function ignoreThere(err: unknown): void {
  if (systemCode(err) !== 'EEXIST') throw err
}
