/** Virtual time: what is to happen, in the order of its time, and of its posting where the times are equal. */

interface Event {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/** Invariant: a binary heap by (at, order); `now` never goes back. */
export class EventQueue {
  /** Milliseconds. Begins above 0, as 0 means *never* in some places of the core. */
  now = 1000
  /** Events that were run. */
  count = 0
  readonly #heap: Event[] = []
  #order = 0

  get isEmpty(): boolean {
    return this.#heap.length === 0
  }

  after(ms: number, run: () => void): void {
    this.at(this.now + ms, run)
  }

  at(time: number, run: () => void): void {
    const heap = this.#heap
    const event = { at: Math.max(time, this.now), order: this.#order++, run }
    let hole = heap.length
    while (hole > 0) {
      const parent = (hole - 1) >>> 1
      const other = heap[parent]
      if (other === undefined || isBefore(other, event)) break
      heap[hole] = other
      hole = parent
    }
    heap[hole] = event
  }

  /** Runs the next event if it is due by `end`. Returns whether there was one; if not, it is `end` now. */
  step(end: number): boolean {
    const next = this.#heap[0]
    if (next === undefined || next.at > end) {
      this.now = Math.max(this.now, end)
      return false
    }
    this.#removeFirst()
    this.now = next.at
    this.count += 1
    next.run()
    return true
  }

  #removeFirst(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let hole = 0
    for (;;) {
      const left = heap[hole * 2 + 1]
      if (left === undefined) break
      const right = heap[hole * 2 + 2]
      const isRight = right !== undefined && isBefore(right, left)
      const child = isRight ? right : left
      if (isBefore(last, child)) break
      heap[hole] = child
      hole = hole * 2 + (isRight ? 2 : 1)
    }
    heap[hole] = last
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
