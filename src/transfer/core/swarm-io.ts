/**
 * Inputs and actions of the swarm core. `Swarm.handle(input, now)` returns the actions of that one input, in order;
 * the runner carries them all out before the next input. Payload never enters the core: a request is one action, its
 * completion one input.
 */
import type { Bitfield } from '../../content/bitfield.ts'
import type { PieceMap } from '../../content/piece-map.ts'
import type { GoodbyeCode, Message, PexPeer } from '../protocol/messages.ts'

/** A session (one stream with one peer for one root), numbered by the runner, never reused. */
export type SessionId = number

export type Input =
  /** A stream is open in both directions; the core answers with hello. `peerId` is authenticated. */
  | {
      readonly type: 'sessionOpened'
      readonly session: SessionId
      readonly peerId: string
      readonly outbound: boolean
      /** Addresses at which the peer can be dialled, where known: told to others in peer exchange. */
      readonly addrs?: readonly string[]
    }
  | { readonly type: 'sessionClosed'; readonly session: SessionId }
  | { readonly type: 'message'; readonly session: SessionId; readonly message: Message }
  /** The manifest is whole (at start for a root that is held; later for a fetch). `have` is copied. */
  | { readonly type: 'manifestReady'; readonly pieces: PieceMap; readonly nodeCount: number; readonly have: Bitfield }
  /** The runner checked blocks of a `nodes` message: how many nodes are known now, and whether that is all. */
  | { readonly type: 'nodesAccepted'; readonly session: SessionId; readonly known: number; readonly complete: boolean }
  /** A block did not match its CID. */
  | { readonly type: 'nodesFalse'; readonly session: SessionId }
  /** Every byte of the request arrived. */
  | { readonly type: 'requestCompleted'; readonly session: SessionId; readonly id: number }
  /** The piece matched its hash and was written. */
  | { readonly type: 'pieceVerified'; readonly piece: number }
  /** The piece did not match its hash. The core knows who gave its blocks. */
  | { readonly type: 'pieceFalse'; readonly piece: number }
  /** A held piece is no longer there (its file changed), or one that matched could not be written. Nobody's fault. */
  | { readonly type: 'piecesLost'; readonly pieces: readonly number[] }
  /** The runner sent the last byte of an upload, or could not. */
  | { readonly type: 'uploadEnded'; readonly session: SessionId; readonly id: number; readonly sentBytes: number }
  /** Every 250 ms or so. Payload bytes since the last tick, for sessions where there were any. */
  | {
      readonly type: 'tick'
      readonly moved: ReadonlyArray<{ readonly session: SessionId; readonly down: number; readonly up: number }>
      /** Sessions with requests that we hold back ourselves (rate limit, disk): no fault of theirs that nothing comes. */
      readonly heldBack?: readonly SessionId[]
      /** The upload limit in force for this swarm, bytes a second; absent: none. */
      readonly upLimit?: number
    }
  /** Peers that may have the root (providers, link, by hand). Peer exchange comes as a message. */
  | { readonly type: 'peersFound'; readonly peers: readonly PexPeer[] }
  /** `isSent`: false where this machine had no network to dial it by; default true. */
  | { readonly type: 'dialFailed'; readonly peerId: string; readonly isSent?: boolean }
  | ({ readonly type: 'prioritiesSet' } & Priorities)
  /** Fetch no more (a pause, or a disk that is full); keep on serving. */
  | { readonly type: 'fetchPaused'; readonly paused: boolean }

/** What local readers want first, in the order given; empty: rarest first alone. */
export interface Priorities {
  /** Of the piece space. */
  readonly ranges: ReadonlyArray<{ readonly offset: number; readonly length: number }>
  /** For so many of these, the first, somebody waits; the others are what is read soon. Absent: for none. */
  readonly waitedFor?: number
  /** Nothing else is fetched. */
  readonly onlyThese: boolean
}

export type Action =
  | { readonly type: 'send'; readonly session: SessionId; readonly message: Message }
  /** Send `request` and expect its data. [offset, offset+length) lies in one piece or covers a run of whole pieces. */
  | {
      readonly type: 'request'
      readonly session: SessionId
      readonly id: number
      readonly offset: number
      readonly length: number
    }
  /** The request's data is no longer wanted: send `cancel`, drop what came, ignore what comes. */
  | { readonly type: 'cancelRequest'; readonly session: SessionId; readonly id: number }
  /** All blocks of pieces first … first+count-1 are there: hash, write, and report each. */
  | { readonly type: 'verify'; readonly first: number; readonly count: number }
  /** Queue this answer; the node-wide upload queue decides when. */
  | {
      readonly type: 'upload'
      readonly session: SessionId
      readonly id: number
      readonly offset: number
      readonly length: number
    }
  | { readonly type: 'cancelUpload'; readonly session: SessionId; readonly id: number }
  | { readonly type: 'sendNodes'; readonly session: SessionId; readonly first: number; readonly count: number }
  | { readonly type: 'dial'; readonly peer: PexPeer }
  /** Send goodbye and close. */
  | { readonly type: 'disconnect'; readonly session: SessionId; readonly code: GoodbyeCode; readonly message: string }
  /** Close every session of the peer and refuse it, node-wide, until the ban decays. */
  | { readonly type: 'ban'; readonly peerId: string; readonly reason: string }
  /** Every wanted piece is verified. Once per completion. */
  | { readonly type: 'completed' }
