/**
 * What src/transfer/io/uploader.ts does, on virtual time and without bytes: the production UploadQueue decides which
 * request is next; it is read ahead of the wire, and the stream is fed frame by frame as it drains.
 */

import { UploadQueue } from '../src/transfer/core/upload-queue.ts'
import { MAX_READ_BYTES, MAX_READS, MAX_READS_PER_SESSION } from '../src/transfer/io/uploader.ts'
import type { ConnectionEnd } from './network.ts'

export const FRAME_BYTES = 64 * 1024
const READ_MS = 0.5

/** In place of the program's own values, to see what they do. */
export interface UploaderSettings {
  readonly slots?: number
  readonly maxReads?: number
  readonly maxReadsPerSession?: number
}

export interface UploaderHost {
  after(ms: number, run: () => void): void
  send(end: ConnectionEnd, id: number, bytes: number): void
  ended(end: ConnectionEnd, id: number, sentBytes: number): void
}

interface Job {
  readonly id: number
  readonly offset: number
  readonly length: number
  readonly piece: number
}

/** Requests that one read serves. */
interface Read {
  /** Those that are not yet out or given up. */
  open: number
}

interface Active {
  readonly job: Job
  readonly read: Read
  isRead: boolean
  sent: number
  cancelled: boolean
}

interface Lane {
  readonly end: ConnectionEnd
  /** Queued. */
  readonly jobs: Map<number, Job>
  /** Being read or sent, in order. */
  readonly active: Active[]
  reads: number
}

export class SimUploader {
  readonly #host: UploaderHost
  readonly #queue: UploadQueue
  readonly #lanes = new Map<number, Lane>()
  readonly #maxReads: number
  readonly #maxReadsPerSession: number
  #allReads = 0

  constructor(host: UploaderHost, settings: UploaderSettings) {
    this.#host = host
    this.#queue = new UploadQueue(settings.slots)
    this.#maxReads = settings.maxReads ?? MAX_READS
    this.#maxReadsPerSession = settings.maxReadsPerSession ?? MAX_READS_PER_SESSION
  }

  enqueue(end: ConnectionEnd, job: Job): void {
    let lane = this.#lanes.get(end.session)
    if (lane === undefined) {
      lane = { end, jobs: new Map(), active: [], reads: 0 }
      this.#lanes.set(end.session, lane)
    }
    lane.jobs.set(job.id, job)
    this.#queue.enqueue({ session: end.session, ...job })
    this.#pump()
  }

  cancel(session: number, id: number): void {
    const lane = this.#lanes.get(session)
    if (lane === undefined) return
    const active = lane.active.find(({ job }) => job.id === id)
    if (active !== undefined) {
      active.cancelled = true
      if (active.isRead) this.#flush(lane)
      return
    }
    if (!lane.jobs.delete(id)) return
    this.#queue.cancel(session, id)
    this.#host.ended(lane.end, id, 0)
  }

  dropSession(session: number): void {
    this.#queue.dropSession(session)
    const lane = this.#lanes.get(session)
    if (lane === undefined) return
    this.#lanes.delete(session)
    for (const active of lane.active) this.#end(lane, active)
    lane.active.length = 0
    this.#pump()
  }

  drained(session: number): void {
    const lane = this.#lanes.get(session)
    if (lane !== undefined) this.#flush(lane)
  }

  #pump(): void {
    while (this.#allReads < this.#maxReads) {
      const first = this.#queue.next(session => (this.#lanes.get(session)?.reads ?? 0) < this.#maxReadsPerSession)
      if (first === undefined) return
      const uploads = [first]
      let bytes = first.length
      for (;;) {
        const next = this.#queue.nextAt(first.session, first.offset + bytes, MAX_READ_BYTES - bytes)
        if (next === undefined) break
        uploads.push(next)
        bytes += next.length
      }
      const lane = this.#lanes.get(first.session)
      if (lane !== undefined) this.#begin(lane, uploads)
    }
  }

  #begin(lane: Lane, jobs: readonly Job[]): void {
    const read: Read = { open: jobs.length }
    this.#allReads += 1
    lane.reads += 1
    const actives = jobs.map(job => ({ job, read, isRead: false, sent: 0, cancelled: false }))
    for (const active of actives) {
      lane.jobs.delete(active.job.id)
      lane.active.push(active)
    }
    this.#host.after(READ_MS, () => {
      for (const active of actives) active.isRead = true
      if (this.#lanes.get(lane.end.session) === lane) this.#flush(lane)
    })
  }

  #end(lane: Lane, active: Active): void {
    active.read.open -= 1
    if (active.read.open > 0) return
    this.#allReads -= 1
    lane.reads -= 1
  }

  #flush(lane: Lane): void {
    const { end } = lane
    for (let head = lane.active[0]; head?.isRead === true; head = lane.active[0]) {
      const left = head.cancelled ? 0 : head.job.length - head.sent
      if (left === 0) {
        lane.active.shift()
        this.#end(lane, head)
        this.#host.ended(end, head.job.id, head.sent)
        this.#pump()
        continue
      }
      if (!end.isWritable) return
      const bytes = Math.min(FRAME_BYTES, left)
      head.sent += bytes
      this.#host.send(end, head.job.id, bytes)
    }
  }
}
