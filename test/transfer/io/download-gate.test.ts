import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { DownloadGate, MAX_UNWRITTEN_BYTES } from '../../../src/transfer/io/download-gate.ts'
import { RateLimiter } from '../../../src/transfer/io/rate-limiter.ts'

const clock = { now: () => Date.now(), wallMs: () => Date.now() }

describe('DownloadGate', () => {
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

  it('holds requests back while the disk is behind, and lets them go in order', () => {
    const gate = new DownloadGate()
    const sent: number[] = []
    const passage = { session: 1, bytes: 10, limiter: limiter.root() }
    gate.writeBegan(MAX_UNWRITTEN_BYTES)
    gate.pass(passage, () => sent.push(1))
    const callOff = gate.pass(passage, () => sent.push(2))
    gate.pass(passage, () => sent.push(3))
    expect(sent).toEqual([])
    callOff()
    gate.writeEnded(1)
    expect(sent).toEqual([1, 3])
  })

  it('obeys the limits of root and node', () => {
    const gate = new DownloadGate()
    const root = limiter.root(1000)
    let sent = 0
    for (let i = 0; i < 20; i++) gate.pass({ session: 1, bytes: 250, limiter: root }, () => sent++)
    expect(sent).toBe(1)
    vi.advanceTimersByTime(1000)
    expect(sent).toBeLessThanOrEqual(5)
    root.setRate(undefined)
    expect(sent).toBe(20)
  })

  it('lets sessions take turns, however much each of them asks for', () => {
    const gate = new DownloadGate()
    limiter.setRate(100_000)
    const root = limiter.root()
    const sent = new Map([1, 2, 3].map(session => [session, 0]))
    const ask = (session: number, bytes: number) =>
      gate.pass({ session, bytes, limiter: root }, () => sent.set(session, (sent.get(session) ?? 0) + bytes))
    for (let i = 0; i < 1000; i++) ask(1, 10_000)
    for (let i = 0; i < 1000; i++) ask(2, 5_000)
    for (let i = 0; i < 1000; i++) ask(3, 10_000)
    vi.advanceTimersByTime(30_000)
    const bytes = [...sent.values()]
    expect(Math.max(...bytes) - Math.min(...bytes)).toBeLessThanOrEqual(20_000)
    for (const session of [1, 2, 3]) gate.drop(session)
  })

  it('sends nothing that was called off, or of a session that is over, and goes on with the next', () => {
    const gate = new DownloadGate()
    const root = limiter.root(1000)
    const sent: string[] = []
    const ask = (session: number, name: string) =>
      gate.pass({ session, bytes: 250, limiter: root }, () => sent.push(name))
    ask(1, 'a')
    const callOff = ask(1, 'b')
    ask(1, 'c')
    ask(2, 'd')
    ask(3, 'e')
    expect(sent).toEqual(['a'])
    callOff()
    gate.drop(2)
    vi.advanceTimersByTime(10_000)
    expect(sent.sort()).toEqual(['a', 'c', 'e'])
  })

  it('pays once for what the disk holds up after the limit let it go', () => {
    const gate = new DownloadGate()
    const root = limiter.root(1000)
    const sent: string[] = []
    gate.pass({ session: 1, bytes: 250, limiter: root }, () => sent.push('a'))
    gate.pass({ session: 1, bytes: 250, limiter: root }, () => sent.push('b'))
    const callOff = gate.pass({ session: 2, bytes: 250, limiter: root }, () => sent.push('c'))
    gate.writeBegan(MAX_UNWRITTEN_BYTES)
    vi.advanceTimersByTime(10_000)
    expect(sent).toEqual(['a'])
    callOff()
    gate.writeEnded(MAX_UNWRITTEN_BYTES)
    expect(sent).toEqual(['a', 'b'])
  })
})
