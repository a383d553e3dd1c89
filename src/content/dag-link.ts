import type { CID } from 'multiformats/cid'

/** What a builder made: enough to link to it. */
export interface DagLink {
  readonly cid: CID
  /** Bytes of all blocks at and below it, duplicates counted: dag-pb's Tsize. */
  readonly tsize: number
}

/** A file, or a part of one. */
export interface FileLink extends DagLink {
  /** Bytes of the file below it. */
  readonly fileSize: number
}

/** Takes each dag-pb block as it is made, children before parents. The same block may come more than once. */
export type NodeSink = (cid: CID, block: Uint8Array) => void
