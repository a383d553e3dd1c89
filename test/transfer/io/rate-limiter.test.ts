/** On virtual time: what a limiter lets pass, how evenly, and to whom. */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { RateLimiter } from '../../../src/transfer/io/rate-limiter.ts'
import type { RootLimiter } from '../../../src/transfer/io/root-limiter.ts'

const clock = { now: () => Date.now(), wallMs: () => Date.now() }
const KIB = 1024

/** Takes `frame` bytes again and again, as an upload with no end does. */
class Sender {
  readonly limiter: RootLimiter
  readonly session: number
  readonly frame: () => number
  /** When it got how much. */
  readonly got: Array<{ at: number; bytes: number }> = []
  #stopped = false

  constructor(limiter: RootLimiter, session: number, frame: number | (() => number)) {
    this.limiter = limiter
    this.session = session
    this.frame = typeof frame === 'number' ? () => frame : frame
  }

  start(): this {
    for (let more = true; more && !this.#stopped; ) {
      const bytes = this.frame()
      const onReady = (granted: number) => {
        this.got.push({ at: Date.now(), bytes: granted })
        this.start()
      }
      more = this.limiter.take(this.session, this.frame, onReady)
      if (more) this.got.push({ at: Date.now(), bytes })
      if (more && this.limiter.bytesPerSec === undefined) break
    }
    return this
  }

  stop(): void {
    this.#stopped = true
    this.limiter.drop(this.session)
  }

  between(from: number, to: number): number {
    return this.got.reduce((sum, { at, bytes }) => (at > from && at <= to ? sum + bytes : sum), 0)
  }
}

/** The least and the most of all windows of `ms` in [from, to], each as a share of what the rate allows. */
function windows(senders: readonly Sender[], rate: number, { from, to, ms = 10_000 }: Record<string, number>) {
  let [least, most] = [Number.POSITIVE_INFINITY, 0]
  for (let at = from ?? 0; at + ms <= (to ?? 0); at += 100) {
    const share = senders.reduce((sum, sender) => sum + sender.between(at, at + ms), 0) / ((rate * ms) / 1000)
    least = Math.min(least, share)
    most = Math.max(most, share)
  }
  return { least, most }
}

/** Jain, Chiu, Hawe 1984: 1 where all get the same, 1/n where one gets all. */
function jain(shares: readonly number[]): number {
  const sum = shares.reduce((a, b) => a + b, 0)
  return sum ** 2 / (shares.length * shares.reduce((a, b) => a + b * b, 0))
}

describe('RateLimiter', () => {
  let limiter: RateLimiter
  beforeEach(() => {
    vi.useFakeTimers()
    limiter = new RateLimiter(clock)
  })
  afterEach(() => {
    limiter.stop()
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  })

  it('lets everything through without a limit', () => {
    const root = limiter.root()
    for (let i = 0; i < 1000; i++) expect(root.take(1, 1e9, () => {})).toBe(true)
  })

  it.each([
    [10_000, KIB],
    [50_000, KIB],
    [1_000_000, 16 * KIB],
    [10_000_000, 160_000],
    [40_000_000, 256 * KIB],
    // requests of downloads: larger than all that the bucket holds
    [1_000_000, 256 * KIB],
    [10_000_000, 256 * KIB]
  ])('keeps %i B/s within 3 %% over every ten seconds, by %i bytes', (rate, frame) => {
    for (const own of [false, true]) {
      limiter.setRate(own ? undefined : rate)
      const sender = new Sender(limiter.root(own ? rate : undefined), 1, frame)
      const from = Date.now()
      sender.start()
      vi.advanceTimersByTime(30_000)
      const { least, most } = windows([sender], rate, { from, to: Date.now() })
      expect(least).toBeGreaterThan(0.97)
      expect(most).toBeLessThan(1.03)
      // from the first moment on, too
      expect(sender.between(from - 1, from + 10_000) / (rate * 10)).toBeLessThan(frame > 200_000 ? 1.06 : 1.03)
      sender.stop()
    }
  })

  it('keeps the rate although timers come late', () => {
    const fake = globalThis.setTimeout
    const late = vi.spyOn(globalThis, 'setTimeout')
    late.mockImplementation(((run: () => void, ms = 0) => fake(run, ms + 20)) as typeof setTimeout)
    limiter.setRate(1_000_000)
    const sender = new Sender(limiter.root(), 1, 16 * KIB).start()
    vi.advanceTimersByTime(20_000)
    late.mockRestore()
    const { least, most } = windows([sender], 1_000_000, { from: 1000 + clock.now() - 20_000, to: clock.now() })
    expect(least).toBeGreaterThan(0.97)
    expect(most).toBeLessThan(1.03)
    sender.stop()
  })

  it('lets at most 250 ms pass at once after a pause', () => {
    const root = limiter.root(1_000_000)
    vi.advanceTimersByTime(60_000)
    let bytes = 0
    while (root.take(1, 1000, () => {})) bytes += 1000
    expect(bytes).toBe(250_000)
    root.drop(1)
  })

  it('obeys a change at once, up and down, without making up for the time before', () => {
    const rates = [1_000_000, 100_000, 5_000_000, 20_000, 1_000_000]
    const root = limiter.root()
    limiter.setRate(rates[0])
    const sender = new Sender(root, 1, () => Math.min(16 * KIB, Math.max(KIB, (limiter.bytesPerSec ?? 0) / 64))).start()
    for (const rate of rates) {
      limiter.setRate(rate)
      const from = Date.now()
      vi.advanceTimersByTime(20_000)
      const { least, most } = windows([sender], rate, { from, to: Date.now() })
      expect(least, `${rate}`).toBeGreaterThan(0.97)
      expect(most, `${rate}`).toBeLessThan(1.03)
    }
    sender.stop()
  })

  it('lets waiters go at once when the limit is lifted, of the node and of the root', () => {
    limiter.setRate(10)
    const root = limiter.root(10)
    const went: number[] = []
    for (const session of [1, 2, 3]) root.take(session, 1_000_000, () => went.push(session))
    expect(went).toEqual([])
    limiter.setRate(undefined)
    expect(went).toEqual([1])
    root.setRate(undefined)
    expect(went).toEqual([1, 2, 3])
  })

  it('serves the waiters of a session in order, and not one that gave up', () => {
    limiter.setRate(1000)
    const root = limiter.root()
    while (root.take(1, 250, () => {})) {
      // drain the burst
    }
    const order: string[] = []
    const b = () => order.push('b')
    root.take(1, 100, () => order.push('a'))
    root.take(1, 100, b)
    root.take(1, 100, () => order.push('c'))
    root.cancel(1, b)
    vi.advanceTimersByTime(5_000)
    expect(order).toEqual(['a', 'c'])
  })

  it('calls nobody of a session that is over', () => {
    limiter.setRate(1000)
    const root = limiter.root()
    const sender = new Sender(root, 1, 100).start()
    sender.stop()
    const before = sender.got.length
    vi.advanceTimersByTime(5_000)
    expect(sender.got).toHaveLength(before)
  })

  it('gives back what was not used, up to the burst', () => {
    const root = limiter.root(1000)
    expect(root.take(1, 250, () => {})).toBe(true)
    let ready = false
    root.take(1, 250, () => {
      ready = true
    })
    expect(ready).toBe(false)
    root.giveBack(1_000_000)
    expect(ready).toBe(true)
    expect(root.take(1, 250, () => {})).toBe(false)
    root.drop(1)
  })

  it('shares evenly among sessions, whatever sizes they ask for', () => {
    limiter.setRate(1_000_000)
    const root = limiter.root()
    const senders = [128 * KIB, 64 * KIB, 16 * KIB, 1000].map((frame, i) => new Sender(root, i, frame).start())
    vi.advanceTimersByTime(40_000)
    const shares = senders.map(sender => sender.between(clock.now() - 30_000, clock.now()))
    expect(jain(shares)).toBeGreaterThan(0.999)
    expect(Math.min(...shares) / Math.max(...shares)).toBeGreaterThan(0.97)
    for (const sender of senders) sender.stop()
  })

  it('shares evenly among the sessions of several roots', () => {
    limiter.setRate(1_000_000)
    const roots = [limiter.root(), limiter.root(), limiter.root(2_000_000)]
    // three of the first, one of the second, two of the third
    const senders = [0, 0, 0, 1, 2, 2].flatMap((at, session) => {
      const root = roots[at]
      return root === undefined ? [] : [new Sender(root, session, 16 * KIB).start()]
    })
    vi.advanceTimersByTime(30_000)
    const shares = senders.map(sender => sender.between(clock.now() - 20_000, clock.now()))
    expect(jain(shares)).toBeGreaterThan(0.999)
    for (const sender of senders) sender.stop()
  })

  it('keeps the limit of each root and that of the node, and gives others what a slow root leaves', () => {
    limiter.setRate(1_000_000)
    const slow = limiter.root(50_000)
    const free = limiter.root()
    const slowOnes = [1, 2].map(session => new Sender(slow, session, KIB).start())
    const fast = new Sender(free, 3, 16 * KIB).start()
    vi.advanceTimersByTime(40_000)
    const span = { from: clock.now() - 30_000, to: clock.now() }
    const ofSlow = windows(slowOnes, 50_000, span)
    expect(ofSlow.least).toBeGreaterThan(0.97)
    expect(ofSlow.most).toBeLessThan(1.03)
    const ofAll = windows([...slowOnes, fast], 1_000_000, span)
    expect(ofAll.least).toBeGreaterThan(0.97)
    expect(ofAll.most).toBeLessThan(1.03)
    expect(jain(slowOnes.map(sender => sender.between(span.from, span.to)))).toBeGreaterThan(0.999)
    // a root that was slow has saved nothing up
    slow.setRate(undefined)
    vi.advanceTimersByTime(30_000)
    const shares = [...slowOnes, fast].map(sender => sender.between(clock.now() - 30_000, clock.now()))
    expect(jain(shares)).toBeGreaterThan(0.999)
    for (const sender of [...slowOnes, fast]) sender.stop()
  })

  it('never lets a root that waits for its own limit hold up others', () => {
    const slow = limiter.root(1)
    const free = limiter.root(1_000_000)
    const stuck = new Sender(slow, 1, 64 * KIB).start()
    const fast = new Sender(free, 2, 16 * KIB).start()
    vi.advanceTimersByTime(20_000)
    const { least, most } = windows([fast], 1_000_000, { from: clock.now() - 20_000, to: clock.now() })
    expect(least).toBeGreaterThan(0.97)
    expect(most).toBeLessThan(1.03)
    for (const sender of [stuck, fast]) sender.stop()
  })

  it('never exceeds either limit, and wastes neither, over random changes, roots and sessions', () => {
    const rate = fc.integer({ min: 5_000, max: 5_000_000 })
    const change = fc.record({ root: fc.nat(2), rate: fc.option(rate, { nil: undefined }), ms: fc.nat(3000) })
    fc.assert(
      fc.property(rate, fc.array(change, { minLength: 1, maxLength: 6 }), (nodeRate, changes) => {
        const node = new RateLimiter(clock, nodeRate)
        const roots = [node.root(), node.root(), node.root()]
        const senders = roots.flatMap((root, i) => [0, 1].map(j => new Sender(root, 2 * i + j, 4 * KIB).start()))
        const began = Date.now()
        for (const { root, rate: own, ms } of changes) {
          const from = Date.now()
          roots[root]?.setRate(own)
          vi.advanceTimersByTime(ms)
          if (own === undefined) continue
          const sent = senders.reduce(
            (sum, s) => (s.limiter === roots[root] ? sum + s.between(from, from + ms) : sum),
            0
          )
          expect(sent).toBeLessThanOrEqual((own * ms) / 1000 + own / 4 + 4 * KIB)
        }
        const all = () => senders.reduce((sum, sender) => sum + sender.between(began - 1, Date.now()), 0)
        expect(all()).toBeLessThanOrEqual((nodeRate * (Date.now() - began)) / 1000 + nodeRate / 4 + 4 * KIB)
        for (const root of roots) root.setRate(undefined)
        const [before, at] = [all(), Date.now()]
        vi.advanceTimersByTime(5000)
        expect(all() - before).toBeGreaterThanOrEqual((nodeRate * (Date.now() - at)) / 1000 - nodeRate / 4 - 4 * KIB)
        for (const sender of senders) sender.stop()
        node.stop()
      }),
      { numRuns: 40 }
    )
  })
})
