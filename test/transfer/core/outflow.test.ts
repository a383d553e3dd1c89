import { describe, expect, it } from 'vitest'
import { MIB, MINUTE_MS, SECOND_MS } from '../../../src/base/units.ts'
import { type Batch, newBatch } from '../../../src/transfer/core/batch.ts'
import { Outflow } from '../../../src/transfer/core/outflow.ts'
import { UplinkWindow } from '../../../src/transfer/core/uplink-window.ts'

/** Batches of one piece of 1 MiB each, all held unless told otherwise, numbered by their piece. */
class Line {
  readonly window = new UplinkWindow(MIB)
  readonly started: number[] = []
  readonly outflow = new Outflow(this.window, batch => this.started.push(pieceOf(batch)))
  readonly rarity = new Map<number, number>()
  readonly notHeld = new Set<number>()
  now = 0

  /** Offered and asked for. */
  asked(piece: number, rarity = 1, session = 1): Batch {
    const batch = this.offered(piece, rarity, session)
    batch.askedAt = this.now
    this.pump()
    return batch
  }

  offered(piece: number, rarity = 1, session = 1): Batch {
    const batch = newBatch(session, this.now)
    batch.left.set(piece, MIB)
    batch.leftBytes = MIB
    this.rarity.set(piece, rarity)
    this.outflow.offered(batch)
    return batch
  }

  pump(): void {
    this.outflow.pump(
      batch => !this.notHeld.has(pieceOf(batch)),
      batch => this.rarity.get(pieceOf(batch)) ?? 0,
      this.now
    )
  }

  wait(ms: number): void {
    this.now += ms
    this.pump()
  }

  over(batch: Batch): void {
    this.outflow.over(batch)
    this.pump()
  }
}

function pieceOf(batch: Batch): number {
  const [piece = -1] = batch.left.keys()
  return piece
}

describe('the outflow', () => {
  it('is not held up by a batch that is doubtful', () => {
    const line = new Line()
    const first = line.asked(1)
    line.asked(2)
    line.asked(3, 1, 2)
    expect(line.started).toEqual([1])
    first.isDoubted = true
    line.pump()
    // the same session would hold up all again
    expect(line.started).toEqual([1, 3])
    first.isDoubted = false
    line.over(first)
    line.pump()
    expect(line.started).toEqual([1, 3])
    line.now += 10 * SECOND_MS
    line.pump()
    expect(line.started).toEqual([1, 3, 2])
  })

  it('starts one batch after the other: the next when all but a block of the last has come', () => {
    const line = new Line()
    const first = line.asked(1)
    const second = line.asked(2)
    line.asked(3)
    expect(line.started).toEqual([1])
    expect([first.startedAt, second.startedAt]).toEqual([0, undefined])
    first.isArriving = true
    line.pump()
    expect(line.started).toEqual([1, 2])
    line.over(first)
    expect(line.started).toEqual([1, 2])
    line.over(second)
    expect(line.started).toEqual([1, 2, 3])
  })

  it('starts nothing that was not asked for, and nothing that is not held yet', () => {
    const line = new Line()
    const offered = line.offered(1)
    line.notHeld.add(2)
    line.asked(2)
    expect(line.started).toEqual([])
    line.over(line.asked(3))
    expect(line.started).toEqual([3])
    line.notHeld.clear()
    line.pump()
    expect(line.started).toEqual([3, 2])
    offered.askedAt = 0
    line.pump()
    expect(line.started).toEqual([3, 2])
  })

  it('starts the rarest first, but who waited for 500 ms before any, the longest first', () => {
    const line = new Line()
    const first = line.asked(1)
    line.asked(2, 9)
    line.wait(10)
    line.asked(3, 8)
    line.wait(480)
    line.asked(4, 1)
    line.over(first)
    expect(line.started).toEqual([1, 4])

    const patient = new Line()
    const head = patient.asked(1)
    patient.asked(2, 9)
    patient.wait(10)
    const third = patient.asked(3, 8)
    patient.wait(490)
    patient.asked(4, 1)
    patient.over(head)
    expect(patient.started).toEqual([1, 2])
    expect(third.startedAt).toBeUndefined()
  })

  it('does not wait for a slow receiver for longer than the uplink needed for it', () => {
    const line = new Line()
    line.window.answered(20, 0)
    for (; line.now < 5 * SECOND_MS; line.now += 100) line.window.arrived(MIB / 10, line.now)
    line.asked(1)
    line.asked(2)
    line.wait(100)
    expect(line.started).toEqual([1])
    line.wait(1400)
    expect(line.started).toEqual([1, 2])
  })

  it('forgets what is over', () => {
    const line = new Line()
    const first = line.asked(1)
    const second = line.asked(2)
    line.over(second)
    line.over(first)
    line.wait(MINUTE_MS)
    expect(line.started).toEqual([1])
    expect(line.outflow.leastWaiting(() => 5)).toBe(Number.POSITIVE_INFINITY)
  })

  it('tells the least rarity of those that wait, offered or asked for', () => {
    const line = new Line()
    line.asked(1, 1)
    line.asked(2, 7)
    line.offered(3, 4)
    const least = () => line.outflow.leastWaiting(batch => line.rarity.get(pieceOf(batch)) ?? 0)
    expect(least()).toBe(4)
  })
})
