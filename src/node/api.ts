/**
 * The public face of a node: what `createNode` returns, what the control socket offers to a second terminal, and what
 * the command line is written against. Everything here is plain data, so that it crosses the socket unchanged.
 */
import type { ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Encryption } from './encryption.ts'
import type { GcOptions, GcReport, StorageInfo, StorageLimited } from './storage-api.ts'

export type * from './storage-api.ts'
export type { Encryption }

export interface NodeOptions {
  /** The data folder: key, store, remembered peers, control socket. Made when absent. One process at a time holds it. */
  dataDir: string
  /**
   * Multiaddrs to listen on. Default: all interfaces on port 4160, or any free port where that is taken. An address
   * given here that cannot be had is an error (ERR_PORT_IN_USE).
   */
  listen?: string[]
  /**
   * Multiaddrs (IP address, TCP port) that lead to this node from elsewhere, such as a router that forwards a port to it.
   * They go into links and records ahead of those of the machine, which it does not know them from. Default: none.
   */
  announce?: string[]
  /** Multiaddrs of peers to connect to, with or without `/p2p/…`. */
  peers?: string[]
  /**
   * Limits of all transfers together, in bytes a second: whole numbers from 1; absent or null: none. `setLimits` changes
   * them while the node runs. What counts: pieces, and DAG nodes that are sent; docs/limits.md.
   */
  up?: number | null
  down?: number | null
  /**
   * Bytes that fetches may put on the disk, all together: whole numbers from 1; absent or null: no limit. What was shared
   * does not count. A fetch that does not fit is refused (ERR_NO_SPACE) before it writes. `setMaxStorage` changes it while
   * the node runs; docs/storage.md.
   */
  maxStorage?: number | null
  /** `server` (default) answers DHT queries and announces what it has; `client` only asks until it has seeded for long. */
  dht?: 'server' | 'client'
  /**
   * What connections are encrypted with, at least one; of two nodes the order of who dials decides. Default: `tls`, then
   * `noise`.
   */
  encryption?: readonly Encryption[]
  /** Which implementation of yamux; on the wire they are the same. Default `lean`; `stock` is @chainsafe/libp2p-yamux. */
  muxer?: 'lean' | 'stock'
  /** No network at all: list, remove and verify work, share stores without announcing. */
  offline?: boolean
  log?: Logger
}

export interface AbortOptions {
  signal?: AbortSignal
}

/** Bytes a second, whole numbers from 1; null: no limit. */
export interface Limits {
  up: number | null
  down: number | null
}

export interface NodeLimits extends Limits {
  /** Roots with limits of their own, below those of the node: both must allow. */
  roots: Array<Limits & { cid: string }>
}

/** Absent: stays as it is. Null: no limit. @throws ERR_BAD_NUMBER where it is neither null nor a whole number from 1 */
export interface LimitChange {
  up?: number | null
  down?: number | null
}

export interface LimitSetting extends LimitChange {
  /** A CID or link of a root that is held or being fetched. Absent: all transfers together. */
  cid?: string
}

/** `up` and `down` limit this root alone, as `setLimits` with its CID does. */
export interface ShareOptions extends AbortOptions, LimitChange {
  /** Include names that begin with a dot. Default true. */
  hidden?: boolean
  onProgress?: (progress: HashProgress) => void
}

export interface HashProgress {
  /** Bytes hashed so far, and bytes known to be there (grows while the folder is walked). */
  bytes: number
  totalBytes: number
  files: number
}

export interface Skipped {
  path: string
  /** One short phrase: `socket`, `no permission`, `changed while it was read`, … */
  reason: string
}

export interface Shared {
  /** CIDv1, base32. */
  cid: string
  /** `shoal:<cid>?name=…&peer=…` with the listening addresses. */
  link: string
  /** Absolute. */
  path: string
  /** Bytes of all files. */
  size: number
  pieces: number
  files: number
  skipped: Skipped[]
}

/** `up` and `down` limit this root alone, as `setLimits` with its CID does, also when it is seeded afterwards. */
export interface FetchOptions extends AbortOptions, LimitChange {
  /**
   * Absolute path. An existing folder takes the content below it, under its name (from the link, else the CID).
   * Default: `<cwd>/<name>`.
   */
  to?: string
  /**
   * Keep it for others instead: in the data folder's `cache/`, unpinned, or where it is held already. Not with `to`.
   * Default false.
   */
  cache?: boolean
  /** Replace what is at the destination. Default false: ERR_EXISTS. */
  force?: boolean
  /** Give up after so long without any progress: more than 0. Default 60,000 ms. */
  timeoutMs?: number
}

export interface TransferSnapshot {
  cid: string
  name: string
  /** Absolute destination. */
  path: string
  /** `paused`: the disk takes nothing, see `problem`; the fetch goes on by itself when it does. */
  state: 'finding' | 'manifest' | 'fetching' | 'finishing' | 'paused' | 'done' | 'failed'
  /** Why it is paused; null otherwise. */
  problem: { code: string; message: string } | null
  /** Bytes that are verified and on disk, of `size`; size is 0 until the manifest is known. */
  have: number
  size: number
  pieces: number
  piecesHave: number
  /** Connected peers of this swarm. */
  peers: number
  /** Providers asked so far, connected or not. */
  peersKnown: number
  /** Bytes a second over the last seconds. */
  rate: number
  upRate: number
  /** Estimated ms to completion, or null while unknown. */
  etaMs: number | null
}

export interface FetchResult {
  cid: string
  path: string
  size: number
  /** Seconds from the call to completion. */
  seconds: number
  /** Bytes that came over the network, verified. */
  fetched: number
  /** Bytes that were already here. */
  resumed: number
  /** Distinct peers that gave at least one verified byte. */
  peers: number
  /** Symlinks that were not made, empty folders that could not be, … */
  skipped: Skipped[]
}

export interface TransferEvents {
  /** The last one is `done` or `failed`, before `done` of the transfer settles. */
  'state:changed': TransferSnapshot
  /** At most twice a second. */
  progressed: TransferSnapshot
}

/** A running fetch. `done` settles once; cancel makes it reject with ERR_ABORTED and keeps what was fetched. */
export interface Transfer {
  readonly cid: string
  readonly done: Promise<FetchResult>
  snapshot(): TransferSnapshot
  on<K extends keyof TransferEvents>(name: K, listener: (event: TransferEvents[K]) => void): () => void
  cancel(): void
}

export interface RootInfo {
  cid: string
  name: string
  /** Absolute. */
  path: string
  size: number
  /** Bytes held and verified. */
  have: number
  pieces: number
  piecesHave: number
  /**
   * `damaged`: something that was held no longer matches; `paused`: a fetch waits for the disk. `problem` says what.
   */
  state: 'seeding' | 'fetching' | 'paused' | 'partial' | 'damaged'
  problem: string | null
  /** Connected peers of this swarm. */
  peers: number
  up: number
  down: number
  /** Bytes sent and received since the node started. */
  sentBytes: number
  receivedBytes: number
  /** Of this root alone; those of the node hold as well. */
  limits: Limits
  /** False: the node may delete its files when it needs room for another fetch. Always true of what was shared. */
  pinned: boolean
  link: string
  /** Pieces held, base64 of a bitfield (BEP 3 bit order); only in `status({ cid })`. */
  bitfield?: string
}

export interface Removed {
  cid: string
  path: string
  /** What an unfinished fetch had, where there was one. */
  temp: string | null
  /** It could not be deleted: `gc` tries again. */
  left: boolean
  /** It is left, as another data folder made it and may be fetching to it still. */
  adopted?: boolean
}

export interface NodeStatus {
  peerId: string
  addrs: string[]
  dataDir: string
  /** What runs: `daemon`, `share`, `get`, `embedded` or `offline`. */
  mode: string
  pid: number
  uptimeMs: number
  version: string
  connections: number
  /** Peers in the DHT routing table, and whether this node answers queries. */
  dht: { mode: 'server' | 'client' | 'off'; peers: number; provided: number; nextReprovideMs: number | null }
  /** Bytes a second, all swarms together. */
  up: number
  down: number
  /** Of all transfers together. */
  limits: Limits
  sentBytes: number
  receivedBytes: number
  storage: StorageInfo
  roots: RootInfo[]
  /** Problems that the user should know: damaged records, changed files. */
  problems: string[]
}

export interface PeerInfo {
  peerId: string
  addr: string
  direction: 'inbound' | 'outbound'
  /** Bytes a second in swarms. */
  up: number
  down: number
  sentBytes: number
  receivedBytes: number
  /** Roots exchanged with this peer, CIDs. */
  roots: string[]
}

export interface VerifyResult {
  cid: string
  pieces: number
  /** Pieces that no longer match, with the file (relative to the root, or the path itself) and its state. */
  bad: Array<{ piece: number; path: string; offset: number; reason: string }>
  /**
   * What else is not as it should be, of files without a bad piece: folders, files and symbolic links that were deleted
   * or replaced, files that are too long or not empty any more. The reason is a phrase that follows the path.
   */
  wrong: Array<{ path: string; reason: string }>
}

export interface NodeEvents {
  'root:shared': { cid: string; link: string; path: string }
  /** DHT nodes hold the provider record. */
  'root:announced': { cid: string; nodes: number }
  'root:removed': { cid: string }
  /** The node deleted it to make room. `bytes` were freed; `left` are files that were not as the fetch left them. */
  'root:evicted': { cid: string; name: string; path: string; bytes: number; left: string[] }
  'root:pinned': { cid: string; pinned: boolean }
  /** Another limit is in force, and what had to go for it is gone. */
  'storage:limited': StorageInfo
  /** More is held than the limit allows, and nothing of it may be deleted: no fetch begins. A sentence. */
  'storage:exceeded': { message: string }
  /** Of a root, or of the node where `cid` is null. */
  'limits:changed': Limits & { cid: string | null }
  /** A file of a root changed under the seeder; its pieces were withdrawn. */
  'file:changed': { cid: string; path: string; reason: string }
  'peer:connected': { peerId: string }
  'peer:disconnected': { peerId: string }
  'peer:banned': { peerId: string; reason: string }
}

/**
 * What works the same in this process and over the control socket. All of it throws a ShoalError: ERR_NOT_RUNNING before
 * `start` and after `stop`, ERR_ABORTED where its signal fires or the node stops meanwhile, ERR_USAGE, ERR_BAD_CID,
 * ERR_BAD_LINK, ERR_BAD_MULTIADDR or ERR_BAD_NUMBER for what cannot be meant.
 */
export interface NodeApi {
  /** Resolves as soon as it can be fetched by someone who knows this node; `root:announced` follows. */
  share(path: string, options?: ShareOptions): Promise<Shared>
  /** Waits until DHT nodes hold the record; returns how many. Pends while no peer is known. */
  announced(cid: string, options?: AbortOptions): Promise<number>
  /** @param source a CID or a link. Throws synchronously on a malformed one, and on options that cannot be meant. */
  fetch(source: string, options?: FetchOptions): Transfer
  list(options?: AbortOptions): Promise<RootInfo[]>
  /** Stops sharing. The user's files stay; an unfinished temporary file of a fetch is deleted. */
  remove(cid: string, options?: AbortOptions): Promise<Removed>
  /**
   * Unpinned: the node may delete the files when it needs room. Survives a restart.
   * @throws ERR_UNKNOWN_ROOT; ERR_USAGE where the files were shared, which a node never deletes
   */
  setPinned(cid: string, pinned: boolean, options?: AbortOptions): Promise<{ cid: string; pinned: boolean }>
  /** Finds and deletes what nothing refers to any more; docs/storage.md. */
  gc(options?: GcOptions & AbortOptions): Promise<GcReport>
  /** With `cid`: that root alone, with its bitfield. @throws ERR_UNKNOWN_ROOT */
  status(options?: AbortOptions & { cid?: string }): Promise<NodeStatus>
  peers(options?: AbortOptions): Promise<PeerInfo[]>
  limits(options?: AbortOptions): Promise<NodeLimits>
  /**
   * Takes effect at once, for transfers that run too; docs/limits.md. Without `cid`: of all transfers together, until
   * the node stops. With it: of that root alone, for as long as it is held, also after a restart.
   * @returns the limits that hold now, of what was named
   * @throws ERR_BAD_NUMBER, ERR_BAD_CID, ERR_UNKNOWN_ROOT
   */
  setLimits(setting: LimitSetting, options?: AbortOptions): Promise<Limits>
  /**
   * Takes effect once the fetches that ask for room have their answer, and holds until the node stops. What may be deleted
   * goes, as much as the new limit needs; fetches that run keep the room they were promised. Is not cancelled half-way.
   * @param limit bytes, a whole number from 1; null: no limit
   * @returns what is held then
   * @throws ERR_BAD_NUMBER
   */
  setMaxStorage(limit: number | null, options?: AbortOptions): Promise<StorageLimited>
  /** Hashes what is on disk again; what is bad is withdrawn. */
  verify(cid: string, options?: AbortOptions & { onProgress?: (p: HashProgress) => void }): Promise<VerifyResult>
}

export interface ReadOptions extends AbortOptions {
  /** Bytes from the start of the file. Default 0. */
  offset?: number
  /** Bytes. Default: to the end. */
  length?: number
  /** Inside a folder root: which file, '/'-separated. */
  path?: string
  /** Give up after so long without any progress. Default 60,000 ms. */
  timeoutMs?: number
}

export interface ShoalNode extends NodeApi {
  readonly peerId: string
  /** Listening multiaddrs that end in `/p2p/<peer ID>`. */
  readonly addrs: string[]
  start(options?: AbortOptions): Promise<void>
  /** Resolves when all work has ended and nothing of the node keeps the process alive. */
  stop(): Promise<void>
  /**
   * Verified bytes in order as they arrive, fetching what is missing first. What is fetched for a read is kept in the
   * data folder's `cache/`, unpinned. Breaking out of the loop frees everything.
   */
  read(source: string, options?: ReadOptions): AsyncIterable<Uint8Array>
  /** Connects to a peer. @throws ERR_BAD_MULTIADDR, ERR_UNREACHABLE */
  connect(addr: string, options?: AbortOptions): Promise<void>
  on<K extends keyof NodeEvents>(name: K, listener: (event: NodeEvents[K]) => void): () => void
  /** How the node is: the last background failures, newest last. */
  readonly problems: readonly ShoalError[]
}
