/** Decides how a fetch begins: anew, where it stopped, from what is held elsewhere, or not at all (docs/store.md). */
import { ShoalError } from '../../base/errors.ts'
import { identityOf } from '../fingerprint.ts'
import { isRawRoot, type Manifest } from '../manifest.ts'
import {
  checkNames,
  checkSpace,
  claimTemp,
  existsError,
  findTemp,
  isFolderRoot,
  makeParent,
  refuseSpecial,
  statOf
} from './destination.ts'
import type { Disk } from './disk.ts'
import { existingContent } from './existing-content.ts'
import { copyTo, seedFrom } from './local-copy.ts'
import type { NewRoot } from './root-installer.ts'
import type { StoredRoot } from './stored-root.ts'
import { tempPath } from './temp-name.ts'
import type { Trash } from './trash.ts'

export interface FetchInit {
  readonly manifest: Manifest
  /** DAG-node blocks in node index order. For a raw root: its block, or nothing. */
  readonly blocks: readonly Uint8Array[]
  /** Final, absolute. */
  readonly path: string
  readonly name: string
  /** Replace what is at `path`. */
  readonly force: boolean
  /** The node may delete it when it needs room. Only of what is new at `path`, and nobody else's. Default false. */
  readonly evictable?: boolean
  /** What it may not delete now it may not afterwards. Default false. */
  readonly keepsPin?: boolean
  /**
   * Makes room for all of it. Called where something is to be fetched and can be, before anything is written; what it
   * throws ends this.
   */
  readonly reserve?: () => Promise<void>
  readonly signal?: AbortSignal
}

/** What beginning a fetch needs of the store. */
export interface FetchHost {
  readonly disk: Disk
  readonly trash: Trash
  current(): StoredRoot | undefined
  /** Records a new root with its DAG nodes; it becomes the current one and the old one is forgotten. */
  install(
    record: NewRoot,
    content: Pick<FetchInit, 'manifest' | 'blocks'>,
    fill: (root: StoredRoot) => Promise<void>
  ): Promise<StoredRoot>
}

export async function beginFetch(host: FetchHost, init: FetchInit): Promise<StoredRoot> {
  const { manifest, path, force, signal } = init
  const { disk } = host
  let old = host.current()
  if (old !== undefined) {
    const isLoaded = await old.load().then(
      () => true,
      err => {
        if (err instanceof ShoalError && err.code === 'ERR_STORE_DAMAGED') return false
        throw err
      }
    )
    if (!isLoaded) old = undefined
  }
  if (old !== undefined && old.state !== 'partial') await old.checkFiles(signal)
  const there = await statOf(disk, path)
  const isHere = old?.state === 'complete' && old.path === path
  if (old !== undefined && isHere && there !== undefined && (await old.restoreTree(signal))) return old

  if (there !== undefined) {
    const files = await existingContent(disk, init)
    if (files !== undefined && old?.state === 'complete') return old
    if (files !== undefined) {
      return await host.install(
        {
          name: init.name,
          ...ownership(host.current(), init, 'share'),
          path,
          state: 'complete',
          temp: null,
          tempId: null
        },
        init,
        async root => {
          for (const [entry, print] of files.prints) root.parts.files.prints.set(entry, print)
        }
      )
    }
    refuseSpecial(path, there)
    if (!force) throw existsError(path, ' and is something else')
    if (there.isDirectory() !== isFolderRoot(manifest)) {
      throw existsError(
        path,
        `, and ${there.isDirectory() ? 'a folder is never replaced by a file' : 'is no folder'}`,
        { force }
      )
    }
  }
  if (old?.state === 'complete' && !isHere && (await copyTo(old, { path, force, signal, trash: host.trash })))
    return old
  if (old?.state === 'partial' && old.path === path && (await isTempThere(disk, old))) {
    await init.reserve?.()
    old.force = force
    return old
  }
  return await startAnew(host, init, old)
}

async function isTempThere(disk: Disk, { temp, tempId }: StoredRoot): Promise<boolean> {
  if (temp === null) return true
  const stats = await statOf(disk, temp)
  return stats !== undefined && identityOf(stats) === tempId
}

/**
 * Of a root that was at this place before: as it was. Files that nobody fetched are their owner's, but where only the node
 * writes. What was pinned stays so elsewhere, too, where nobody asked for another thing.
 */
export function ownership(
  before: StoredRoot | undefined,
  { path, evictable = false, keepsPin = false }: Pick<FetchInit, 'path' | 'evictable' | 'keepsPin'>,
  otherwise: 'share' | 'get'
): Pick<NewRoot, 'source' | 'evictable'> {
  if (before?.path !== path) {
    return {
      source: evictable ? 'get' : otherwise,
      evictable: evictable && !(keepsPin && before?.isEvictable === false)
    }
  }
  return { source: otherwise === 'get' ? 'get' : before.source, evictable: before.isEvictable }
}

async function startAnew(host: FetchHost, init: FetchInit, old: StoredRoot | undefined): Promise<StoredRoot> {
  const { manifest, path, name, signal } = init
  const { disk } = host
  const hasTemp = manifest.entries[0]?.kind !== 'symlink'
  const temp = hasTemp ? tempPath(path, manifest.root) : null
  let claimed: Awaited<ReturnType<typeof claimTemp>> | undefined
  let isForeign = false
  // whatever may end it here comes first: nothing is deleted for room in vain
  if (temp !== null) {
    await makeParent(disk, path)
    await checkNames(disk, temp, manifest)
    await findTemp(disk, temp, manifest)
  }
  await init.reserve?.()
  if (temp !== null) {
    if ((await statOf(disk, temp)) === undefined) await checkSpace(disk, path, manifest.totalBytes)
    claimed = await claimTemp(disk, temp, manifest)
    await host.trash.noteMade(temp, claimed)
    isForeign = claimed.adopted && !(await host.trash.isOwn(temp, claimed.id))
  }
  const tempId = claimed === undefined ? null : claimed.id
  const ours = ownership(host.current(), init, 'get')
  const record = { name, ...ours, path, state: 'partial', temp, tempId, adopted: isForeign } as const
  const installing = host.install(record, init, async root => {
    const { ledger } = root.parts
    if (claimed?.adopted === true) ledger.suspectAll()
    for (let piece = 0; piece < manifest.pieces.count; piece++) {
      if (manifest.pieces.wireSize(piece) === 0) await root.write(piece, 1, [])
    }
    const block = init.blocks[0]
    if (isRawRoot(manifest) && block !== undefined && block.byteLength > 0) await root.write(0, 1, [block])
    if (old !== undefined) await seedFrom(old, root, signal)
    await root.flush()
  })
  try {
    const root = await installing
    root.force = init.force
    return root
  } catch (err) {
    // What was copied so far is still where it came from.
    if (temp !== null && claimed?.adopted === false) await host.trash.discard(temp, claimed.id).catch(() => {})
    throw err
  }
}
