/**
 * Which request is served next, for the whole node: one queue across all roots and sessions.
 *
 * A session whose piece was begun goes on until that piece is out, and at most `slots` sessions have one begun, so that
 * whole pieces leave early and can be spread. Among the others the one that got the fewest bytes so far is next; within
 * a session requests are served as they came. Work-conserving: when none of the begun can go on, another one begins.
 */

export interface Upload {
  readonly session: number
  /** The requester's. */
  readonly id: number
  /** Range of the piece space. */
  readonly offset: number
  readonly length: number
  /** Index of the piece in which the range begins. */
  readonly piece: number
}

interface Lane {
  readonly uploads: Upload[]
  /** Bytes handed out; comparable between sessions, as one that joins starts at the level of the least served. */
  served: number
  /** The piece that was begun and whose requests are at the head. */
  begun: number | undefined
}

export const UPLOAD_SLOTS = 8

export class UploadQueue {
  readonly #slots: number
  readonly #lanes = new Map<number, Lane>()

  /** @param slots sessions whose piece is begun at a time */
  constructor(slots: number = UPLOAD_SLOTS) {
    this.#slots = slots
  }

  get size(): number {
    let size = 0
    for (const lane of this.#lanes.values()) size += lane.uploads.length
    return size
  }

  enqueue(upload: Upload): void {
    let lane = this.#lanes.get(upload.session)
    if (lane === undefined) {
      lane = { uploads: [], served: this.#leastServed(), begun: undefined }
      this.#lanes.set(upload.session, lane)
    } else if (lane.uploads.length === 0) {
      lane.served = Math.max(lane.served, this.#leastServed())
    }
    lane.uploads.push(upload)
  }

  /** Returns whether it was still queued. */
  cancel(session: number, id: number): boolean {
    const lane = this.#lanes.get(session)
    const at = lane?.uploads.findIndex(upload => upload.id === id) ?? -1
    if (lane === undefined || at < 0) return false
    lane.uploads.splice(at, 1)
    return true
  }

  dropSession(session: number): void {
    this.#lanes.delete(session)
  }

  /** Takes the next request out of the queue. @param eligible which sessions can take data now; default all */
  next(eligible: (session: number) => boolean = () => true): Upload | undefined {
    let begun = 0
    let going: Lane | undefined
    let waiting: Lane | undefined
    for (const [session, lane] of this.#lanes) {
      const head = lane.uploads[0]
      if (head === undefined || head.piece !== lane.begun) lane.begun = undefined
      else begun += 1
      if (head === undefined || !eligible(session)) continue
      if (lane.begun !== undefined) {
        if (going === undefined || lane.served < going.served) going = lane
      } else if (waiting === undefined || lane.served < waiting.served) waiting = lane
    }
    const lane = begun >= this.#slots ? (going ?? waiting) : this.#lessServed(going, waiting)
    const upload = lane?.uploads.shift()
    if (lane === undefined || upload === undefined) return undefined
    lane.served += upload.length
    lane.begun = upload.piece
    return upload
  }

  /**
   * Takes the session's next request if it begins at `offset` and is at most `maxLength` long: it follows one that was
   * just taken, and one read serves both.
   */
  nextAt(session: number, offset: number, maxLength: number): Upload | undefined {
    const lane = this.#lanes.get(session)
    const head = lane?.uploads[0]
    if (lane === undefined || head === undefined || head.offset !== offset || head.length > maxLength) return undefined
    lane.uploads.shift()
    lane.served += head.length
    lane.begun = head.piece
    return head
  }

  /** While there are free slots, one that has not begun goes first where it got less. */
  #lessServed(going: Lane | undefined, waiting: Lane | undefined): Lane | undefined {
    if (going === undefined || waiting === undefined) return going ?? waiting
    return waiting.served < going.served ? waiting : going
  }

  #leastServed(): number {
    let least = Number.POSITIVE_INFINITY
    for (const lane of this.#lanes.values()) if (lane.uploads.length > 0) least = Math.min(least, lane.served)
    return Number.isFinite(least) ? least : 0
  }
}
