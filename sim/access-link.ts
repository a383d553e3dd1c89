/**
 * The access link of a host: an uplink and a downlink, each a FIFO queue of its own rate. The rest of the network has no
 * limit, only delay.
 *
 * Data travels in frames. What is small (control messages) goes ahead of the data frames that wait, but not of the one
 * that is being sent. A downlink takes the first byte of a frame when it comes, not the whole frame after its last byte,
 * so that large frames behave as the packets that they stand for.
 */
import type { EventQueue } from './event-queue.ts'

export interface Frame {
  readonly bytes: number
  /** False: whoever sent it is gone, it is dropped. Asked when its turn comes. */
  readonly isWanted: () => boolean
  /** The last byte left the uplink. @param beganAt when the first one did */
  readonly onSent: (beganAt: number) => void
}

export interface Uplink {
  /** Payload that left. */
  readonly sentBytes: number
  readonly controlBytes: number
  readonly bytesPerMs: number
  /** A control message. @param onOut told when its last byte leaves or left, at once or then */
  control(connection: object, bytes: number, onOut: (leavesAt: number) => void): void
  enqueue(connection: object, frame: Frame): void
}

export class FairUplink implements Uplink {
  sentBytes = 0
  controlBytes = 0
  readonly bytesPerMs: number
  readonly #events: EventQueue
  readonly #frames: Frame[] = []
  #head = 0
  #isBusy = false
  /** When the frame that is being sent is out. */
  #frameEndsAt = 0
  /** When all control messages so far are out. */
  #controlEndsAt = 0

  /** @param bytesPerMs above 0 */
  constructor(events: EventQueue, bytesPerMs: number) {
    this.#events = events
    this.bytesPerMs = bytesPerMs
  }

  control(_connection: object, bytes: number, onOut: (leavesAt: number) => void): void {
    onOut(this.sendControl(bytes))
  }

  /** Returns when the last byte of the message leaves. Messages leave in order. */
  sendControl(bytes: number): number {
    const from = Math.max(this.#events.now, this.#controlEndsAt, this.#isBusy ? this.#frameEndsAt : 0)
    this.#controlEndsAt = from + bytes / this.bytesPerMs
    this.controlBytes += bytes
    return this.#controlEndsAt
  }

  enqueue(_connection: object, frame: Frame): void {
    this.#frames.push(frame)
    if (!this.#isBusy) this.#sendNext()
  }

  #sendNext(): void {
    let frame = this.#frames[this.#head]
    while (frame !== undefined && !frame.isWanted()) {
      this.#head += 1
      frame = this.#frames[this.#head]
    }
    if (frame === undefined) {
      this.#frames.length = 0
      this.#head = 0
      return
    }
    this.#head += 1
    if (this.#head > 256) {
      this.#frames.splice(0, this.#head)
      this.#head = 0
    }
    const next = frame
    const beganAt = Math.max(this.#events.now, this.#controlEndsAt)
    this.#isBusy = true
    this.#frameEndsAt = beganAt + next.bytes / this.bytesPerMs
    this.#events.at(this.#frameEndsAt, () => {
      this.#isBusy = false
      this.sentBytes += next.bytes
      next.onSent(beganAt)
      if (!this.#isBusy) this.#sendNext()
    })
  }
}

export class Downlink {
  readonly bytesPerMs: number
  readonly #events: EventQueue
  #freeAt = 0
  #lastAt = 0
  #waiting = 0

  /** @param bytesPerMs above 0 */
  constructor(events: EventQueue, bytesPerMs: number) {
    this.#events = events
    this.bytesPerMs = bytesPerMs
  }

  /** The last byte of something comes now. Calls back when it has passed the link. @param beganAt when the first came */
  receive(bytes: number, beganAt: number, onReceived: () => void): void {
    const { now } = this.#events
    this.#freeAt = Math.max(this.#freeAt, beganAt) + bytes / this.bytesPerMs
    this.#lastAt = Math.max(this.#lastAt, this.#freeAt, now)
    if (this.#lastAt <= now && this.#waiting === 0) {
      onReceived()
      return
    }
    this.#waiting += 1
    this.#events.at(this.#lastAt, () => {
      this.#waiting -= 1
      onReceived()
    })
  }
}
