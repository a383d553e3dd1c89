/** The envelopes of a root's dag-pb leaves: those in LevelDB, and those that are on their way there. */
import type { Database, RecordOp } from './database.ts'
import { decodeEnvelope, type Envelope, encodeEnvelope, envKey } from './records.ts'

export class Envelopes {
  readonly #db: Database
  readonly #id: number
  readonly #pending = new Map<number, Envelope>()

  constructor(db: Database, id: number) {
    this.#db = db
    this.#id = id
  }

  add(envelopes: ReadonlyMap<number, Envelope>): void {
    for (const [piece, envelope] of envelopes) this.#pending.set(piece, envelope)
  }

  /** Undefined for those that are lost. */
  async get(pieces: readonly number[]): Promise<Map<number, Envelope | undefined>> {
    const asked = pieces.filter(piece => !this.#pending.has(piece))
    const found = new Map(pieces.map(piece => [piece, this.#pending.get(piece)]))
    const values = asked.length === 0 ? [] : await this.#db.getMany(asked.map(piece => envKey(this.#id, piece)))
    asked.forEach((piece, i) => {
      const value = values[i]
      if (value !== undefined && value !== 'damaged') found.set(piece, decodeEnvelope(value))
    })
    return found
  }

  /** What is to be written now, and what to call once it was. */
  pending(): { ops: RecordOp[]; written: () => void } {
    const pieces = [...this.#pending.keys()]
    const ops: RecordOp[] = []
    for (const [piece, envelope] of this.#pending) {
      ops.push({ type: 'put', key: envKey(this.#id, piece), value: encodeEnvelope(envelope) })
    }
    // One that was replaced meanwhile is the same: the hash fixes it.
    return { ops, written: () => pieces.forEach(piece => void this.#pending.delete(piece)) }
  }
}
