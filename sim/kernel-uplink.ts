/**
 * An uplink as a usual host has it: each connection has a buffer in the kernel, in which control messages wait behind
 * the data that was written before them, and all share one queue in the router, first in, first out. Nothing overtakes,
 * so news is as late as those queues are long ("bufferbloat").
 */
import type { Uplink } from './access-link.ts'
import type { EventQueue } from './event-queue.ts'

interface Item {
  readonly bytes: number
  /** False: whoever sent it is gone, it is dropped. Asked when its turn comes. */
  readonly isWanted: () => boolean
  /** The last byte left. @param beganAt when the first one did */
  readonly onOut: (beganAt: number) => void
}

/**
 * Invariant: while a connection has something to send, the router's queue holds as much as it takes, and the link is
 * busy.
 */
export class KernelUplink implements Uplink {
  sentBytes = 0
  controlBytes = 0
  readonly bytesPerMs: number
  readonly #events: EventQueue
  readonly #queueBytes: number
  /** Connections that have something to send, in turn. */
  readonly #waiting = new Map<object, Item[]>()
  readonly #queue: Item[] = []
  #queuedBytes = 0
  #isBusy = false

  /** @param bytesPerMs above 0 @param queueBytes what the router's queue takes, above 0 */
  constructor(events: EventQueue, bytesPerMs: number, queueBytes: number) {
    this.#events = events
    this.bytesPerMs = bytesPerMs
    this.#queueBytes = queueBytes
  }

  control(connection: object, bytes: number, onOut: (leavesAt: number) => void): void {
    this.controlBytes += bytes
    this.#add(connection, { bytes, isWanted: () => true, onOut: () => onOut(this.#events.now) })
  }

  enqueue(
    connection: object,
    { bytes, isWanted, onSent }: { bytes: number; isWanted: () => boolean; onSent: (beganAt: number) => void }
  ): void {
    const onOut = (beganAt: number) => {
      this.sentBytes += bytes
      onSent(beganAt)
    }
    this.#add(connection, { bytes, isWanted, onOut })
  }

  #add(connection: object, item: Item): void {
    const items = this.#waiting.get(connection)
    if (items === undefined) this.#waiting.set(connection, [item])
    else items.push(item)
    this.#fill()
    if (!this.#isBusy) this.#sendNext()
  }

  /** One item of each connection in turn, as TCP shares a link. */
  #fill(): void {
    while (this.#queuedBytes < this.#queueBytes) {
      const [first] = this.#waiting
      if (first === undefined) return
      const [connection, items] = first
      let item = items.shift()
      while (item !== undefined && !item.isWanted()) item = items.shift()
      this.#waiting.delete(connection)
      if (items.length > 0) this.#waiting.set(connection, items)
      if (item === undefined) continue
      this.#queue.push(item)
      this.#queuedBytes += item.bytes
    }
  }

  #sendNext(): void {
    const item = this.#queue.shift()
    if (item === undefined) return
    const beganAt = this.#events.now
    this.#isBusy = true
    this.#events.after(item.bytes / this.bytesPerMs, () => {
      this.#isBusy = false
      this.#queuedBytes -= item.bytes
      this.#fill()
      item.onOut(beganAt)
      if (!this.#isBusy) this.#sendNext()
    })
  }
}
