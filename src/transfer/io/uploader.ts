/**
 * Sends what peers asked for: one queue for the whole node, so that all roots and peers share the uplink by one order.
 * The pure UploadQueue decides which request is next; this reads it from storage ahead of the wire and feeds the streams
 * as they drain, frame by frame, under the upload limits of their root and the node.
 */
import { sharedBytes } from '../../base/shared-memory.ts'
import { KIB, MIB, SECOND_MS } from '../../base/units.ts'
import { RateMeter } from '../core/rate-meter.ts'
import { UploadQueue } from '../core/upload-queue.ts'
import { LEAST_DATA_BYTES, MAX_DATA_BYTES } from '../protocol/limits.ts'
import { BufferPool } from './buffer-pool.ts'
import type { PeerSession } from './peer-session.ts'
import type { RootLimiter } from './root-limiter.ts'
import type { PieceStorage } from './seams.ts'

/** Payload of one data frame: what may lie ahead of a control message once the stream is full. */
const DATA_FRAME_BYTES = LEAST_DATA_BYTES
/**
 * The same where the node sends so much, bytes a second: each frame costs its way through all layers. A pair over
 * loopback takes a tenth less processor time with frames of 256 KiB, and no less with 512. On a slow link messages would
 * only wait longer behind them.
 */
const FAST_FRAME_BYTES = MAX_DATA_BYTES
const FAST_BYTES_PER_SEC = 32 * MIB
/** Under a limit a frame is what it lets pass in so long, so that it stays even and sessions take short turns … */
const FRAME_MS = 16
/** … but no less: below that the limit is even to a frame. */
const MIN_FRAME_BYTES = KIB
/** Reads of a root with a limit of its own, apart from MAX_READS: however slow it is, others are served meanwhile. */
const MAX_READS_OF_LIMITED_ROOT = 8
/** Reads of one session that are under way or being sent: one is ahead of the wire, and requests gather meanwhile. */
export const MAX_READS_PER_SESSION = 2
/** The same for the whole node: what bounds the memory of uploads. */
export const MAX_READS = 24
/** What was read for a session that takes nothing for so long is dropped, and read again when it takes more. */
export const SET_ASIDE_MS = 5 * SECOND_MS
/** Requests that follow each other are read together, up to so many bytes. */
export const MAX_READ_BYTES = MIB
/** Ahead of what is read: headers go there, and make one piece of memory with the first frame. */
const HEADROOM_BYTES = 64
/** Buffers that are kept for the next reads. A fresh megabyte for each costs a seeder a quarter of its time in garbage. */
const MAX_IDLE_BUFFERS = 8

export interface UploadJob {
  readonly session: PeerSession
  readonly id: number
  /** Range of the piece space. */
  readonly offset: number
  readonly length: number
  /** Index of the piece in which the range begins. */
  readonly piece: number
  readonly storage: PieceStorage
  /** The limits that hold for the root. */
  readonly limiter: RootLimiter
  /** All bytes were handed to the stream, or the job was cancelled or failed on the way. */
  readonly onEnded: (sentBytes: number) => void
  /** The bytes could not be read. */
  readonly onFailed: (err: unknown) => void
}

/** Requests that one read serves. */
interface Read {
  /** Jobs that are not yet out or given up. */
  open: number
  readonly limiter: RootLimiter
  /** Whether it is one of MAX_READS. */
  readonly isCounted: boolean
  /** What it was read into; gone when somebody may still look at it. */
  buffer: Uint8Array | undefined
  isReading: boolean
  /** Frames that were given to the stream and are not consumed yet. */
  onWire: number
  /** What of the memory ahead of a frame is nobody's while none is on the wire: what was sent before it lies there. */
  headroom: number
}

interface Active {
  readonly job: UploadJob
  readonly read: Read
  buffer: Uint8Array | undefined
  sent: number
  cancelled: boolean
  /** It no longer counts. Another one may have its id by then. */
  ended: boolean
}

const keyOf = (session: number, id: number) => `${session}:${id}`

export class Uploader {
  readonly #now: () => number
  readonly #rate = new RateMeter()
  readonly #pool = new BufferPool(HEADROOM_BYTES + MAX_READ_BYTES, MAX_IDLE_BUFFERS, sharedBytes)
  readonly #queue = new UploadQueue()
  readonly #jobs = new Map<string, UploadJob>()
  readonly #active = new Map<string, Active>()
  /** Per session: what it sends, in order. */
  readonly #lanes = new Map<number, Active[]>()
  /** Per session: reads under way or being sent. */
  readonly #reads = new Map<number, number>()
  #allReads = 0
  /** Per root: reads under way or being sent. */
  readonly #readsOf = new Map<RootLimiter, number>()
  /** Of the sessions that asked for something. */
  readonly #limiters = new Map<number, RootLimiter>()
  /** Sessions that wait for their limiter. */
  readonly #waiting = new Set<number>()
  /** Sessions that take nothing, and hold no buffer meanwhile. */
  readonly #setAside = new Set<number>()

  /** @param now monotonic, ms */
  constructor(now: () => number) {
    this.#now = now
  }

  enqueue(job: UploadJob): void {
    const key = keyOf(job.session.id, job.id)
    this.#jobs.set(key, job)
    this.#limiters.set(job.session.id, job.limiter)
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
      this.#end(active)
    }
    this.#lanes.delete(session.id)
    this.#limiters.get(session.id)?.drop(session.id)
    this.#limiters.delete(session.id)
    this.#waiting.delete(session.id)
    this.#setAside.delete(session.id)
    this.#pump()
  }

  /** The session's stream takes data again. */
  drained(session: PeerSession): void {
    if (this.#setAside.delete(session.id)) this.#pump()
    this.#flush(session)
  }

  /** Those who ask and do not read must not hold what others could be served with. */
  tick(now: number): void {
    let isAny = false
    for (const lane of [...this.#lanes.values()]) {
      const session = lane[0]?.job.session
      if (session === undefined || session.blockedForMs(now) < SET_ASIDE_MS || this.#waiting.has(session.id)) continue
      if (lane.some(({ buffer }) => buffer === undefined)) continue
      this.#putAside(session, lane)
      isAny = true
    }
    if (isAny) this.#pump()
  }

  /** What is left of each goes back to the queue. */
  #putAside(session: PeerSession, lane: Active[]): void {
    this.#lanes.delete(session.id)
    this.#setAside.add(session.id)
    for (const active of lane) {
      const { job, sent } = active
      this.#end(active)
      if (active.cancelled || sent >= job.length) job.onEnded(sent)
      else {
        const rest = { ...job, offset: job.offset + sent, length: job.length - sent }
        this.enqueue({ ...rest, onEnded: more => job.onEnded(sent + more) })
      }
    }
  }

  #pump(): void {
    for (;;) {
      const first = this.#queue.next(session => this.#mayRead(session))
      if (first === undefined) return
      const uploads = [first]
      let bytes = first.length
      for (;;) {
        const next = this.#queue.nextAt(first.session, first.offset + bytes, MAX_READ_BYTES - bytes)
        if (next === undefined) break
        uploads.push(next)
        bytes += next.length
      }
      const jobs = uploads.flatMap(({ session, id }) => {
        const key = keyOf(session, id)
        const job = this.#jobs.get(key)
        this.#jobs.delete(key)
        return job ?? []
      })
      this.#begin(jobs, first.offset, bytes)
    }
  }

  #mayRead(session: number): boolean {
    if (this.#setAside.has(session)) return false
    const reads = this.#reads.get(session) ?? 0
    const limiter = this.#limiters.get(session)
    if (limiter?.own === undefined) return this.#allReads < MAX_READS && reads < MAX_READS_PER_SESSION
    // nothing needs to be ahead of a wire that waits, and more of its sessions share the limit
    return (this.#readsOf.get(limiter) ?? 0) < MAX_READS_OF_LIMITED_ROOT && reads === 0
  }

  /** One read for jobs of one session that follow each other. */
  #begin(jobs: readonly UploadJob[], offset: number, bytes: number): void {
    const [head] = jobs
    if (head === undefined) return
    const { session, storage, limiter } = head
    const memory = this.#pool.take(HEADROOM_BYTES + bytes)
    const into = memory.subarray(HEADROOM_BYTES, HEADROOM_BYTES + bytes)
    const read: Read = {
      open: jobs.length,
      limiter,
      isCounted: limiter.own === undefined,
      buffer: memory,
      isReading: true,
      onWire: 0,
      headroom: HEADROOM_BYTES
    }
    if (read.isCounted) this.#allReads += 1
    this.#readsOf.set(limiter, (this.#readsOf.get(limiter) ?? 0) + 1)
    this.#reads.set(session.id, (this.#reads.get(session.id) ?? 0) + 1)
    const lane = this.#lanes.get(session.id) ?? []
    this.#lanes.set(session.id, lane)
    const actives = jobs.map(job => {
      const active: Active = { job, read, buffer: undefined, sent: 0, cancelled: false, ended: false }
      this.#active.set(keyOf(session.id, job.id), active)
      lane.push(active)
      return active
    })
    storage.read(offset, bytes, into).then(
      buffer => {
        read.isReading = false
        if (buffer.buffer !== into.buffer) {
          read.buffer = undefined
          read.headroom = 0
        }
        this.#recycle(read)
        for (const active of actives) {
          const from = active.job.offset - offset
          active.buffer = buffer.subarray(from, from + active.job.length)
        }
        this.#flush(session)
      },
      (err: unknown) => {
        // a read may still be under way where another failed
        read.buffer = undefined
        read.headroom = 0
        this.#readFailed(actives, session, err)
      }
    )
  }

  /** Where several were read together, each is tried alone: only those whose own bytes are lost are refused. */
  #readFailed(actives: readonly Active[], session: PeerSession, err: unknown): void {
    for (const active of actives) {
      const { job } = active
      if (active.ended) continue
      const refuse = (cause: unknown) => {
        if (active.ended) return
        active.cancelled = true
        active.buffer = new Uint8Array(0)
        job.onFailed(cause)
        this.#flush(session)
      }
      if (actives.length === 1) refuse(err)
      else {
        job.storage.read(job.offset, job.length).then(buffer => {
          active.buffer = buffer
          this.#flush(session)
        }, refuse)
      }
    }
  }

  #end(active: Active): void {
    if (active.ended) return
    active.ended = true
    const { session, id } = active.job
    const key = keyOf(session.id, id)
    if (this.#active.get(key) === active) this.#active.delete(key)
    active.read.open -= 1
    this.#recycle(active.read)
    if (active.read.open > 0) return
    const { limiter, isCounted } = active.read
    if (isCounted) this.#allReads -= 1
    countDown(this.#reads, session.id)
    countDown(this.#readsOf, limiter)
  }

  /** The buffer of a read that is over, once no stream looks at it. */
  #recycle(read: Read): void {
    if (read.isReading || read.open > 0 || read.onWire > 0 || read.buffer === undefined) return
    this.#pool.give(read.buffer)
    read.buffer = undefined
  }

  #flush(session: PeerSession): void {
    const lane = this.#lanes.get(session.id)
    if (lane === undefined) return
    for (let head = lane[0]; head !== undefined && head.buffer !== undefined; head = lane[0]) {
      const left = head.cancelled ? 0 : head.buffer.byteLength - head.sent
      if (left === 0) {
        lane.shift()
        this.#end(head)
        head.job.onEnded(head.sent)
        this.#pump()
        continue
      }
      if (!session.isWritable || this.#waiting.has(session.id)) return
      const { limiter } = head.job
      const amount = () => Math.min(this.#frameBytes(limiter.bytesPerSec), session.maxDataBytes, left)
      const send = (active: Active, buffer: Uint8Array, bytes: number) => {
        const { read } = active
        const headroom = read.onWire === 0 ? read.headroom : 0
        read.onWire += 1
        this.#rate.add(bytes, this.#now())
        const onConsumed = () => {
          read.onWire -= 1
          this.#recycle(read)
        }
        session.sendData(active.job.id, buffer.subarray(active.sent, active.sent + bytes), onConsumed, headroom)
        active.sent += bytes
      }
      const { buffer } = head
      const current = head
      const onReady = (bytes: number) => {
        this.#waiting.delete(session.id)
        if (current.cancelled || session.isClosed) limiter.giveBack(bytes)
        else send(current, buffer, bytes)
        this.#flush(session)
      }
      if (!limiter.take(session.id, amount, onReady)) {
        this.#waiting.add(session.id)
        return
      }
      send(current, buffer, amount())
    }
    if (lane.length === 0) this.#lanes.delete(session.id)
  }

  /** @param bytesPerSec a limit of ours */
  #frameBytes(bytesPerSec: number | undefined): number {
    const most = this.#rate.rate(this.#now()) >= FAST_BYTES_PER_SEC ? FAST_FRAME_BYTES : DATA_FRAME_BYTES
    if (bytesPerSec === undefined) return most
    return Math.min(most, Math.max(MIN_FRAME_BYTES, Math.floor((bytesPerSec * FRAME_MS) / 1000)))
  }
}

function countDown<Key>(counts: Map<Key, number>, key: Key): void {
  const left = (counts.get(key) ?? 1) - 1
  if (left > 0) counts.set(key, left)
  else counts.delete(key)
}
