import { describe, expect, it } from 'vitest'
import { KIB, MIB, MINUTE_MS, SECOND_MS } from '../../../src/base/units.ts'
import { newBatch } from '../../../src/transfer/core/batch.ts'
import { BLOCK_BYTES } from '../../../src/transfer/core/config.ts'
import { UplinkWindow } from '../../../src/transfer/core/uplink-window.ts'

/** A window after `seconds` at so many bytes a second. */
function flowing(seconds: number, bytesPerSec: number, tripMs?: number): { window: UplinkWindow; now: number } {
  const window = new UplinkWindow(MIB)
  let now = 0
  if (tripMs !== undefined) window.answered(tripMs, now)
  for (; now < seconds * SECOND_MS; now += 100) window.arrived(bytesPerSec / 10, now)
  return { window, now }
}

function started(bytes: number, startedAt: number) {
  const batch = newBatch(1, startedAt)
  batch.left.set(0, bytes)
  batch.leftBytes = bytes
  batch.startedAt = startedAt
  return batch
}

describe('the uplink window', () => {
  it('begins with a piece and a block placed, a block on its way', () => {
    const window = new UplinkWindow(MIB)
    expect(window.placeBelow(0)).toBe(MIB + BLOCK_BYTES)
    expect(window.startBelow(0)).toBe(BLOCK_BYTES)
  })

  it('grows with the rate and the trip, to what goes out in three trips', () => {
    const slow = flowing(10, MIB, 100)
    const fast = flowing(10, 10 * MIB, 100)
    const far = flowing(10, 10 * MIB, 400)
    const beyond = ({ window, now }: { window: UplinkWindow; now: number }) => window.placeBelow(now) - MIB
    expect(beyond(slow)).toBeLessThan(0.4 * MIB)
    // 10 MiB/s for 3 × 100 ms and 2 × 20 ms of slack
    expect(beyond(fast) / MIB).toBeCloseTo(3.4, 0)
    expect(beyond(far) / MIB).toBeCloseTo(12.4, 0)
    expect((fast.window.startBelow(fast.now) - BLOCK_BYTES) / MIB).toBeCloseTo(1.2, 0)
  })

  it('grows to 32 MiB at most', () => {
    const { window, now } = flowing(10, 1000 * MIB, 500)
    expect(window.placeBelow(now)).toBe(32 * MIB)
    expect(window.startBelow(now)).toBe(32 * MIB)
  })

  it('goes by the best rate while the rate rises, but never by more than twice the present one', () => {
    const { window, now } = flowing(10, MIB, 100)
    for (let at = now; at < now + SECOND_MS; at += 100) window.arrived(MIB, at)
    const rising = window.placeBelow(now + SECOND_MS)
    // 2.8 MiB/s over five seconds
    expect((rising - MIB) / MIB).toBeCloseTo(2.8 * 0.34, 1)
    const { window: falling, now: later } = flowing(10, 10 * MIB, 100)
    const before = falling.placeBelow(later) - MIB
    for (let at = later; at < later + 5 * SECOND_MS; at += 100) falling.arrived(MIB / 10, at)
    const after = falling.placeBelow(later + 5 * SECOND_MS) - MIB
    expect(after).toBeLessThan(before / 3)
    expect(after).toBeGreaterThan(before / 10)
  })

  it('falls back to its floor when nothing arrives any more', () => {
    const { window, now } = flowing(10, 100 * MIB, 100)
    expect(window.placeBelow(now + MINUTE_MS)).toBe(MIB + BLOCK_BYTES)
  })

  it('goes by the shortest trip, and forgets it after a minute', () => {
    const { window, now } = flowing(10, 10 * MIB, 100)
    const before = window.placeBelow(now)
    window.answered(900, now)
    expect(window.placeBelow(now)).toBe(before)
    window.answered(50, now)
    expect(window.placeBelow(now)).toBeLessThan(before)
    window.answered(900, now + MINUTE_MS - 1)
    const later = now + MINUTE_MS
    for (let at = now; at < later; at += 100) window.arrived(MIB, at)
    const shortTrip = window.placeBelow(later)
    window.answered(900, later)
    expect(window.placeBelow(later)).toBeGreaterThan(4 * shortTrip)
  })

  it('believes that a receiver that says nothing took part of the best rate', () => {
    const { window, now } = flowing(10, MIB, 100)
    const batch = started(4 * MIB, now)
    expect(window.remaining(batch, now)).toBe(4 * MIB)
    expect(window.remaining(batch, now + 100)).toBe(4 * MIB)
    const taken = 4 * MIB - window.remaining(batch, now + 1100)
    expect(taken).toBeGreaterThan(0.7 * MIB)
    expect(taken).toBeLessThan(0.8 * MIB)
    expect(window.remaining(batch, now + 10 * SECOND_MS)).toBe(0)
  })

  it('counts a block of a batch that is arriving', () => {
    const window = new UplinkWindow(MIB)
    const batch = started(MIB, 0)
    batch.isArriving = true
    expect(window.remaining(batch, 0)).toBe(BLOCK_BYTES)
    batch.leftBytes = 10 * KIB
    expect(window.remaining(batch, 0)).toBe(10 * KIB)
  })

  it('waits no second for news of one that never took anything while no rate is known, and longer for others', () => {
    const window = new UplinkWindow(MIB)
    expect(window.doubtedMs(MIB, false, 0)).toBeLessThan(SECOND_MS)
    expect(window.doubtedMs(MIB, true, 0)).toBeGreaterThan(5 * SECOND_MS)
  })
})
