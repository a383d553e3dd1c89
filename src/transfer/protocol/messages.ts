/**
 * Control messages of `/shoal/swarm/1.0.0` as the core sees them: plain values, numbers already bounded by the decoder.
 * Wire form: wire.proto; framing and limits: frame.ts. See docs/protocol.md.
 */

/** Codes of goodbye and reject. Unknown codes read as `other`. */
export type GoodbyeCode =
  | 'stopping'
  | 'notFound'
  | 'duplicate'
  | 'protocol'
  | 'limit'
  | 'badData'
  | 'idle'
  | 'full'
  | 'other'
export type RejectCode = 'choked' | 'notHeld' | 'busy' | 'other'

/**
 * Bit of hello's features: the sender places what it uploads itself. It offers pieces as its uplink takes them, and is
 * asked unasked only for what cannot wait.
 */
export const FEATURE_PLACES = 1
/** Bit of hello's features: the sender takes data frames of MAX_DATA_BYTES. Who does not say so takes LEAST_DATA_BYTES. */
export const FEATURE_LARGE_FRAMES = 2

export type Have =
  | { readonly kind: 'all' }
  | { readonly kind: 'none' }
  | { readonly kind: 'bitfield'; readonly bytes: Uint8Array }

/** Pieces first to first + count - 1. */
export interface Run {
  readonly first: number
  readonly count: number
}

export interface PexPeer {
  /** Peer ID, base58 or base36 string as libp2p prints it. */
  readonly id: string
  /** Multiaddrs without `/p2p`. */
  readonly addrs: readonly string[]
  readonly seeder: boolean
}

export type Message =
  | {
      readonly type: 'hello'
      /** CID bytes of the root. */
      readonly root: Uint8Array
      readonly features: number
      /** Whether the sender holds the whole manifest and answers nodeRequest. */
      readonly manifest: boolean
      readonly have: Have
      /** Requests that the sender accepts in flight from the other side. */
      readonly maxRequests: number
      readonly maxRequestBytes: number
    }
  /** Sent again when the manifest became known after hello (then `have` follows as bitfield). */
  | { readonly type: 'haveBitfield'; readonly have: Have }
  /** Runs of pieces that became available, and pieces on their way to the sender, which need not be offered. */
  | {
      readonly type: 'have'
      readonly runs: readonly Run[]
      readonly coming: readonly number[]
    }
  /** Pieces that are no longer held (a file changed). */
  | { readonly type: 'lost'; readonly runs: readonly Run[] }
  | { readonly type: 'interested' }
  | { readonly type: 'notInterested' }
  | { readonly type: 'choke' }
  | { readonly type: 'unchoke' }
  /** The uploader names pieces that it wants to send to this peer next; each may be asked for even while choked. */
  | { readonly type: 'offer'; readonly pieces: readonly number[] }
  | { readonly type: 'suggest'; readonly pieces: readonly number[] }
  /**
   * The answer to an offer: these are on their way from elsewhere, or held by now; offer something else. When `busy`: they
   * are missing, but more is on its way than can be taken in; offer again a little later.
   */
  | { readonly type: 'decline'; readonly pieces: readonly number[]; readonly busy: boolean }
  /** Of each of these, which the receiver sends, all but the last block has come. */
  | { readonly type: 'arriving'; readonly pieces: readonly number[] }
  /** What to offer the sender first, and then; `only`: and nothing else. Replaces what was wanted before. */
  | { readonly type: 'want'; readonly urgent: readonly Run[]; readonly ahead: readonly Run[]; readonly only: boolean }
  /** A byte range of the piece space. `id` is the requester's, unique among its requests in flight on this stream. */
  | { readonly type: 'request'; readonly id: number; readonly offset: number; readonly length: number }
  | { readonly type: 'cancel'; readonly id: number }
  | { readonly type: 'reject'; readonly id: number; readonly code: RejectCode }
  /** DAG nodes `first` to `first + count - 1`, by node index of the manifest. */
  | { readonly type: 'nodeRequest'; readonly first: number; readonly count: number }
  /** Consecutive nodes from `first`; `total` is the sender's node count. An empty list: not held. */
  | { readonly type: 'nodes'; readonly first: number; readonly total: number; readonly blocks: readonly Uint8Array[] }
  | { readonly type: 'pex'; readonly added: readonly PexPeer[]; readonly dropped: readonly string[] }
  | { readonly type: 'goodbye'; readonly code: GoodbyeCode; readonly message: string }
