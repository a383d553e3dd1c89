import { describe, expect, it } from 'vitest'
import { DownloadGate, MAX_UNWRITTEN_BYTES } from '../../../src/transfer/io/download-gate.ts'
import { RateLimiter } from '../../../src/transfer/io/rate-limiter.ts'

const clock = { now: () => 0, wallMs: () => 0 }

describe('DownloadGate', () => {
  it('holds requests back while the disk is behind, and lets them go in order', () => {
    const gate = new DownloadGate(new RateLimiter(clock))
    const sent: number[] = []
    gate.writeBegan(MAX_UNWRITTEN_BYTES)
    gate.pass(10, () => sent.push(1))
    const callOff = gate.pass(10, () => sent.push(2))
    gate.pass(10, () => sent.push(3))
    expect(sent).toEqual([])
    callOff()
    gate.writeEnded(1)
    expect(sent).toEqual([1, 3])
  })

  it('obeys the download limit', () => {
    const limiter = new RateLimiter(clock, 1000)
    const gate = new DownloadGate(limiter)
    let sent = 0
    for (let i = 0; i < 10; i++) gate.pass(250, () => sent++)
    expect(sent).toBe(1)
    limiter.setRate(undefined)
    expect(sent).toBe(10)
    limiter.stop()
  })
})
