/** The record of one root as it is now, and the only place where it changes. */
import type { Database, RecordOp } from './database.ts'
import { encodeJson, type RootRecord, rootKey } from './records.ts'

/** What is held of the root, which the record repeats so that a root need not be loaded to be listed. */
export interface HeldCounts {
  readonly have: { readonly count: number }
  readonly heldBytes: number
}

export class LiveRecord {
  readonly id: number
  readonly #db: Database
  #value: RootRecord
  #held: HeldCounts | undefined
  #detached = false
  #installing = false

  constructor(db: Database, id: number, value: RootRecord) {
    this.#db = db
    this.id = id
    this.#value = value
  }

  get value(): Readonly<RootRecord> {
    return this.#value
  }

  get heldPieces(): number {
    return this.#held?.have.count ?? this.#value.heldPieces
  }

  get heldBytes(): number {
    return this.#held?.heldBytes ?? this.#value.heldBytes
  }

  /** The root was replaced or removed: nothing of it is recorded any more. */
  get isDetached(): boolean {
    return this.#detached
  }

  /** From here on the counts are those of `held`. */
  follow(held: HeldCounts): void {
    this.#held = held
  }

  detach(): void {
    this.#detached = true
  }

  /** Until `installed`, nothing writes the record but who installs the root: it is to be the last of its records. */
  beginInstalling(): void {
    this.#installing = true
  }

  installed(): void {
    this.#installing = false
  }

  /** In memory alone: the caller writes `ops()` along with what belongs to the change. */
  set(change: Partial<RootRecord>): void {
    this.#value = { ...this.#value, ...change }
  }

  /** Synced. */
  async save(change: Partial<RootRecord> = {}): Promise<void> {
    this.set(change)
    if (!this.#detached) await this.#db.write(this.accompanyingOps(), { sync: true })
  }

  /** To be written along with other records of the root: nothing while it is being installed. */
  accompanyingOps(): RecordOp[] {
    return this.#installing ? [] : this.ops()
  }

  ops(): RecordOp[] {
    this.set({ heldPieces: this.heldPieces, heldBytes: this.heldBytes })
    return [{ type: 'put', key: rootKey(this.id), value: encodeJson(this.#value) }]
  }
}
