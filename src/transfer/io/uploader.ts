/**
 * Sends what peers asked for: one queue for the whole node, so that all roots and peers share the uplink by one order.
 * The pure UploadQueue decides which request is next; this reads it from storage ahead of the wire and feeds the streams
 * as they drain, frame by frame, under the upload limit.
 */
import { KIB } from '../../base/units.ts'
import { UploadQueue } from '../core/upload-queue.ts'
import type { PeerSession } from './peer-session.ts'
import type { RateLimiter } from './rate-limiter.ts'
import type { PieceStorage } from './seams.ts'

/** Payload of one data frame: what may lie ahead of a control message once the stream is full. */
export const DATA_FRAME_BYTES = 128 * KIB
/** Under a rate limit frames are smaller, so that slow links stay even. */
export const LIMITED_FRAME_BYTES = 16 * KIB
/** Requests that are being read or sent at a time: of one session (so that a read is ahead of the wire), of all. */
export const MAX_ACTIVE_PER_SESSION = 4
export const MAX_ACTIVE = 32

export interface UploadJob {
  readonly session: PeerSession
  readonly id: number
  /** Range of the piece space. */
  readonly offset: number
  readonly length: number
  /** Index of the piece in which the range begins. */
  readonly piece: number
  readonly storage: PieceStorage
  /** All bytes were handed to the stream, or the job was cancelled or failed on the way. */
  readonly onEnded: (sentBytes: number) => void
  /** The bytes could not be read. */
  readonly onFailed: (err: unknown) => void
}

interface Active {
  readonly job: UploadJob
  buffer: Uint8Array | undefined
  sent: number
  cancelled: boolean
}

const keyOf = (session: number, id: number) => `${session}:${id}`

export class Uploader {
  readonly #limiter: RateLimiter
  readonly #queue = new UploadQueue()
  readonly #jobs = new Map<string, UploadJob>()
  readonly #active = new Map<string, Active>()
  /** Per session: what it sends, in order. */
  readonly #lanes = new Map<number, Active[]>()
  /** Sessions that wait for the limiter, with what to cancel there. */
  readonly #waiting = new Map<number, () => void>()

  constructor(limiter: RateLimiter) {
    this.#limiter = limiter
  }

  enqueue(job: UploadJob): void {
    const key = keyOf(job.session.id, job.id)
    this.#jobs.set(key, job)
    this.#queue.enqueue({
      session: job.session.id,
      id: job.id,
      offset: job.offset,
      length: job.length,
      piece: job.piece
    })
    this.#pump()
  }

  cancel(session: number, id: number): void {
    const key = keyOf(session, id)
    const active = this.#active.get(key)
    if (active !== undefined) {
      // what is on the wire stays whole frames; the rest is dropped
      active.cancelled = true
      if (active.buffer !== undefined) this.#flush(active.job.session)
      return
    }
    const job = this.#jobs.get(key)
    if (job === undefined) return
    this.#jobs.delete(key)
    this.#queue.cancel(session, id)
    job.onEnded(0)
  }

  dropSession(session: PeerSession): void {
    this.#queue.dropSession(session.id)
    for (const key of [...this.#jobs.keys()]) if (key.startsWith(`${session.id}:`)) this.#jobs.delete(key)
    for (const active of this.#lanes.get(session.id) ?? []) {
      active.cancelled = true
      this.#active.delete(keyOf(session.id, active.job.id))
    }
    this.#lanes.delete(session.id)
    const waiting = this.#waiting.get(session.id)
    if (waiting !== undefined) this.#limiter.cancel(waiting)
    this.#waiting.delete(session.id)
    this.#pump()
  }

  /** The session's stream takes data again. */
  drained(session: PeerSession): void {
    this.#flush(session)
  }

  #pump(): void {
    while (this.#active.size < MAX_ACTIVE) {
      const next = this.#queue.next(session => (this.#lanes.get(session)?.length ?? 0) < MAX_ACTIVE_PER_SESSION)
      if (next === undefined) return
      const key = keyOf(next.session, next.id)
      const job = this.#jobs.get(key)
      if (job === undefined) continue
      this.#jobs.delete(key)
      this.#begin(key, job)
    }
  }

  #begin(key: string, job: UploadJob): void {
    const active: Active = { job, buffer: undefined, sent: 0, cancelled: false }
    this.#active.set(key, active)
    const lane = this.#lanes.get(job.session.id) ?? []
    this.#lanes.set(job.session.id, lane)
    lane.push(active)
    job.storage.read(job.offset, job.length).then(
      buffer => {
        active.buffer = buffer
        this.#flush(job.session)
      },
      (err: unknown) => {
        if (this.#active.get(key) !== active) return
        active.cancelled = true
        active.buffer = new Uint8Array(0)
        job.onFailed(err)
        this.#flush(job.session)
      }
    )
  }

  #flush(session: PeerSession): void {
    const lane = this.#lanes.get(session.id)
    if (lane === undefined) return
    for (let head = lane[0]; head !== undefined && head.buffer !== undefined; head = lane[0]) {
      const left = head.cancelled ? 0 : head.buffer.byteLength - head.sent
      if (left === 0) {
        lane.shift()
        this.#active.delete(keyOf(session.id, head.job.id))
        head.job.onEnded(head.sent)
        this.#pump()
        continue
      }
      if (!session.isWritable || this.#waiting.has(session.id)) return
      const frame = this.#limiter.bytesPerSec === undefined ? DATA_FRAME_BYTES : LIMITED_FRAME_BYTES
      const bytes = Math.min(frame, left)
      const send = (active: Active, buffer: Uint8Array) => {
        session.sendData(active.job.id, buffer.subarray(active.sent, active.sent + bytes))
        active.sent += bytes
      }
      const { buffer } = head
      const current = head
      const onReady = () => {
        this.#waiting.delete(session.id)
        if (!current.cancelled && !session.isClosed) send(current, buffer)
        this.#flush(session)
      }
      if (!this.#limiter.take(bytes, onReady)) {
        this.#waiting.set(session.id, onReady)
        return
      }
      send(current, buffer)
    }
    if (lane.length === 0) this.#lanes.delete(session.id)
  }
}
