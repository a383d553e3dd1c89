/** What is known of a root without loading it. */
import type { CID } from 'multiformats/cid'
import type { LiveRecord } from './live-record.ts'

export class RootSummary {
  /** CIDv1. */
  readonly cid: CID
  protected readonly record: LiveRecord

  constructor(cid: CID, record: LiveRecord) {
    this.cid = cid
    this.record = record
  }

  get id(): number {
    return this.record.id
  }

  get name(): string {
    return this.record.value.name
  }

  /** Absolute: where the content is, or will be when the fetch is complete. */
  get path(): string {
    return this.record.value.path
  }

  /** Where an unfinished fetch lies; null otherwise. */
  get temp(): string | null {
    return this.record.value.temp
  }

  /** Which temporary file or folder that is, see `identityOf`. */
  get tempId(): string | null {
    return this.record.value.tempId
  }

  /** Another data folder may have made the temporary file, and be at it still. */
  get isAdopted(): boolean {
    return this.record.value.adopted && this.temp !== null
  }

  /** It was being moved into place, and that was neither ended nor undone. */
  get isMoving(): boolean {
    return this.record.value.moving && this.temp !== null
  }

  /** `share`: the files are the user's own; `get`: a fetch wrote them. */
  get source(): 'share' | 'get' {
    return this.record.value.source
  }

  /** Whether the node may delete its files when it needs room. Never of what was shared. */
  get isEvictable(): boolean {
    return this.record.value.evictable && this.source === 'get'
  }

  /** Ms since 1970. */
  get addedAt(): number {
    return this.record.value.addedAt
  }

  get state(): 'complete' | 'partial' | 'damaged' {
    return this.record.value.state
  }

  /** One sentence for the user, or null. */
  get problem(): string | null {
    return this.record.value.problem
  }

  get nodeCount(): number {
    return this.record.value.nodes
  }

  get pieceCount(): number {
    return this.record.value.pieces
  }

  get heldPieces(): number {
    return this.record.heldPieces
  }

  /** Bytes of all files, duplicates counted as often as they occur. */
  get totalBytes(): number {
    return this.record.value.totalBytes
  }

  /** Of `totalBytes`: what is held. Equal to it when complete. */
  get heldBytes(): number {
    return this.record.heldBytes
  }
}
