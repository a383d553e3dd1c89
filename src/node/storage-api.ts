/** The storage limit and gc, as the public face tells them. */

/** Bytes. */
export interface StorageInfo {
  /** What fetches have put on the disk. Shared files do not count. */
  used: number
  /** What fetches that run may still add. */
  reserved: number
  /** Null: none. */
  limit: number | null
  /** Of `used`: what is unpinned and not in use. */
  evictable: number
}

export interface StorageLimited extends StorageInfo {
  /** A sentence where more is held than the limit allows and none of it may be deleted; else null. */
  problem: string | null
}

export interface GcOptions {
  /** Only say what would be deleted. Default false. */
  dryRun?: boolean
  /** Delete partial files that no fetch knows any more, as far as they are known to be ours. Default false. */
  deletePartials?: boolean
}

export interface GarbageItem {
  /**
   * `temporary`: was to be deleted before; `partial`: what an unfinished fetch left; `cache`: in the data folder's
   * `cache/`, of no root; `journal`: what a `share` or `hash` had hashed of files that are gone; `records`: in the store.
   */
  kind: 'temporary' | 'partial' | 'records' | 'cache' | 'journal'
  path: string
  /** Bytes; sparse files count as long as they are. */
  size: number
  /** `garbage`: would be deleted, were this no dry run. */
  fate: 'deleted' | 'garbage' | 'kept'
  /** Why it is kept. */
  reason: string | null
}

export interface GcReport {
  dryRun: boolean
  items: GarbageItem[]
  /** Bytes that were deleted, those of the store's own records included. */
  freed: number
  /** Bytes that would be, in a dry run. */
  garbage: number
  kept: number
}
