/**
 * What a manifest from a stranger may cost. Hash links make cycles impossible, but identical subtrees may be nested so
 * that a kilobyte of nodes unfolds into 2^depth entries; every list that grows with the unfolded tree has a limit.
 */

/** The largest DAG node that is read, as everywhere in IPFS. */
export const MAX_NODE_BYTES = 2 * 1024 * 1024
/** `PATH_MAX` of Linux; of macOS 1024, which its file system reports by itself. */
export const MAX_PATH_BYTES = 4096
/** `NAME_MAX` of Linux and macOS. */
export const MAX_NAME_BYTES = 255
/** boxo reads HAMT shards up to this width. */
export const MAX_HAMT_FANOUT = 1024

/** What a visit to a DAG node costs at least, however small it is. */
export const MIN_VISIT_BYTES = 512

export interface ManifestLimits {
  /** Links of one DAG node. */
  readonly links: number
  /** Distinct DAG nodes. */
  readonly nodes: number
  /** Bytes of all distinct DAG nodes. */
  readonly nodeBytes: number
  /** Levels of DAG nodes, HAMT shards and inner file nodes included. */
  readonly depth: number
  /** Files, folders and symbolic links, counted as often as they occur. */
  readonly entries: number
  /** Stretches of files, counted as often as they occur. 16 Mi spans of 1 MiB are 16 TiB. */
  readonly spans: number
  /** UTF-8 bytes of all paths and symbolic link targets. */
  readonly pathBytes: number
  /**
   * Bytes of DAG nodes that occur again, as often as they do, each counted as at least `MIN_VISIT_BYTES`: bounds the time
   * for which nothing else runs.
   */
  readonly repeatedBytes: number
  /**
   * Entries and spans together beyond one for each link of a distinct node: what comes of identical subtrees alone. A
   * tebibyte of zeros is a million; without this limit 1.4 MB of nodes unfolded into 1.2 GB of memory.
   */
  readonly repeats: number
}

export const DEFAULT_MANIFEST_LIMITS: ManifestLimits = {
  links: 65_536,
  nodes: 1_048_576,
  nodeBytes: 1024 * 1024 * 1024,
  depth: 4096,
  entries: 4_194_304,
  spans: 16_777_216,
  pathBytes: 512 * 1024 * 1024,
  repeatedBytes: 128 * 1024 * 1024,
  repeats: 2_097_152
}
