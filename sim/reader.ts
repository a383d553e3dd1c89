/**
 * Someone who plays the content while it is fetched. It reads as src/node/content-read.ts does (1 MiB at a time, asking
 * for 16 MiB ahead), holds a buffer of so many seconds, begins to play when that is full, and stalls when what comes next
 * is not there.
 */
import { MIB } from '../src/base/units.ts'
import type { EventQueue } from './event-queue.ts'
import type { SimPeer } from './sim-peer.ts'

const CHUNK_BYTES = MIB
const READ_AHEAD_BYTES = 16 * MIB

export interface ReaderInit {
  /** Bytes a millisecond. */
  readonly rate: number
  readonly bufferMs: number
}

export class Reader {
  stalls = 0
  stalledMs = 0
  startupMs = 0
  readonly #peer: SimPeer
  readonly #events: EventQueue
  readonly #init: ReaderInit
  readonly #byteLength: number
  readonly #pieceAt: (offset: number) => number | undefined
  readonly #beganAt: number
  /** Read so far, and played so far. */
  #at = 0
  #played = 0
  #isPlaying = false
  #hasBegun = false
  #waitsSince: number | undefined
  #askedAt = -1

  constructor(
    peer: SimPeer,
    events: EventQueue,
    pieces: { byteLength: number; pieceAt(offset: number): number | undefined },
    init: ReaderInit
  ) {
    this.#peer = peer
    this.#events = events
    this.#init = init
    this.#byteLength = pieces.byteLength
    this.#pieceAt = offset => pieces.pieceAt(offset)
    this.#beganAt = events.now
    this.#read()
  }

  /** A piece came. */
  advance(): void {
    this.#read()
    this.#play()
  }

  get #bufferBytes(): number {
    return this.#init.bufferMs * this.#init.rate
  }

  #read(): void {
    while (this.#at < this.#byteLength && this.#at - this.#played < this.#bufferBytes) {
      const end = Math.min(this.#at + CHUNK_BYTES, this.#byteLength)
      if (!this.#isHeld(this.#at, end)) {
        this.#ask()
        return
      }
      this.#at = end
    }
  }

  #isHeld(from: number, end: number): boolean {
    const first = this.#pieceAt(from) ?? 0
    const last = this.#pieceAt(end - 1) ?? first
    for (let piece = first; piece <= last; piece++) if (!this.#peer.have.has(piece)) return false
    return true
  }

  #ask(): void {
    if (this.#askedAt === this.#at) return
    this.#askedAt = this.#at
    const ranges: Array<{ offset: number; length: number }> = []
    const end = Math.min(this.#at + READ_AHEAD_BYTES, this.#byteLength)
    for (let offset = this.#at; offset < end; offset += CHUNK_BYTES) {
      const length = Math.min(CHUNK_BYTES, end - offset)
      if (!this.#isHeld(offset, offset + length)) ranges.push({ offset, length })
    }
    this.#peer.post({ type: 'prioritiesSet', ranges, waitedFor: 1, onlyThese: false })
  }

  #play(): void {
    if (this.#isPlaying || this.#played >= this.#byteLength) return
    const { now } = this.#events
    if (!this.#hasBegun) {
      if (this.#at < Math.min(this.#bufferBytes, this.#byteLength)) return
      this.#hasBegun = true
      this.startupMs = now - this.#beganAt
    }
    const bytes = Math.min(CHUNK_BYTES, this.#byteLength - this.#played)
    if (this.#at < this.#played + bytes) {
      if (this.#waitsSince === undefined) {
        this.#waitsSince = now
        this.stalls += 1
      }
      return
    }
    if (this.#waitsSince !== undefined) {
      this.stalledMs += now - this.#waitsSince
      this.#waitsSince = undefined
    }
    this.#isPlaying = true
    this.#events.after(bytes / this.#init.rate, () => {
      this.#isPlaying = false
      this.#played += bytes
      this.#read()
      this.#play()
    })
  }
}
