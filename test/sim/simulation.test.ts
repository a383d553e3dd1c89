/** The simulator itself: that it is a network, and the same one each time. What the core makes of it is for the sweep. */
import { describe, expect, it } from 'vitest'
import { runScenario } from '../../sim/run.ts'
import { FRAME_BYTES } from '../../sim/sim-uploader.ts'
import { Simulation } from '../../sim/simulation.ts'
import { smallScenario } from './small-scenario.ts'

const SEED = 11
const lively = smallScenario({
  groups: [
    { count: 8, up: [5, 50], down: 100 },
    { count: 1, up: 20, down: 100, behaviour: 'badBytes' }
  ],
  lossPerMinute: 0.9,
  churnPerMinute: 0.9
})

describe(`a run with losses, churn and a liar (seed ${SEED})`, () => {
  it('is the same each time, and another with another seed', () => {
    const [first, again, other] = [SEED, SEED, SEED + 1].map(seed => runScenario(lively, seed))
    expect(again?.hash).toBe(first?.hash)
    expect({ ...again, wallMs: 0 }).toEqual({ ...first, wallMs: 0 })
    expect(other?.hash).not.toBe(first?.hash)
  })

  it('loses no byte out of sight, at any time', () => {
    const sim = new Simulation(lively, SEED)
    for (let ms = 250; !sim.isOver; ms += 250) {
      sim.run(ms)
      const { sentBytes, receivedBytes, lostBytes, inFlightBytes } = sim.network
      expect(receivedBytes + lostBytes + inFlightBytes).toBe(sentBytes)
      expect(sim.peers.reduce((sum, { uplink }) => sum + uplink.sentBytes, 0)).toBe(sentBytes)
      expect(sim.peers.reduce((sum, { incoming }) => sum + incoming.receivedBytes, 0)).toBe(receivedBytes)
      for (const { incoming } of sim.peers) {
        const { keptBytes, duplicateBytes, falseBytes, brokenBytes, pendingBytes } = incoming
        expect(keptBytes + duplicateBytes + falseBytes + brokenBytes + pendingBytes).toBe(incoming.receivedBytes)
      }
    }
    expect(sim.network.lostBytes).toBeGreaterThan(0)
    expect(sim.observer.metrics().wastedShare).toBeGreaterThan(0)
  })

  it('keeps within the capacity of each link, in each quarter of a second', () => {
    const sim = new Simulation(lively, SEED)
    const before = new Map<number, { sent: number; received: number }>()
    const stepMs = 250
    let busiest = 0
    for (let ms = stepMs; !sim.isOver; ms += stepMs) {
      sim.run(ms)
      for (const { index, uplink, downlink, incoming } of sim.peers) {
        const last = before.get(index) ?? { sent: 0, received: 0 }
        const sent = uplink.sentBytes - last.sent
        expect(sent).toBeLessThanOrEqual(uplink.bytesPerMs * stepMs + FRAME_BYTES)
        busiest = Math.max(busiest, sent / (uplink.bytesPerMs * stepMs))
        // a frame counts when its last byte comes, and the slowest sender takes that long for it
        const slack = downlink.bytesPerMs * (FRAME_BYTES / (5 * 125))
        expect(incoming.receivedBytes - last.received).toBeLessThanOrEqual(downlink.bytesPerMs * stepMs + slack)
        before.set(index, { sent: uplink.sentBytes, received: incoming.receivedBytes })
      }
    }
    expect(busiest).toBeGreaterThan(0.9)
  })
})

describe('what must be so whatever the core does', () => {
  it.each([1, 2, 3])('nobody is faster than the bound: four equal links (seed %i)', seed => {
    const { metrics, finishedMs, boundMs } = runScenario(smallScenario(), seed)
    expect(metrics.finished).toBe(1)
    expect(boundMs).toBeCloseTo((16 * 1024 * 1024 * 8) / 50_000, 6)
    for (const ms of finishedMs) expect(ms).toBeGreaterThanOrEqual(boundMs)
    expect(metrics.seederCopies).toBeGreaterThanOrEqual(1)
  })

  it.each([1, 2, 3])('all finish though the seeder leaves when every piece is elsewhere (seed %i)', seed => {
    const sim = new Simulation(smallScenario({ seederLeaves: true, groups: [{ count: 8, up: 50, down: 200 }] }), seed)
    sim.run()
    expect(sim.seeder.isAlive).toBe(false)
    expect(sim.observer.metrics().finished).toBe(1)
    expect(sim.observer.metrics().goodBans).toBe(0)
  })

  it('a giver of false bytes is banned, a staller snubbed, and nobody else is banned (seed 1)', () => {
    const bad = (behaviour: string) => ({ count: 1, up: 50, down: 200, behaviour })
    const groups = [{ count: 8, up: 20, down: 100 }, ...['badBytes', 'falseHave', 'staller'].map(bad)]
    const { metrics } = runScenario(smallScenario({ mib: 128, groups }), 1)
    expect(metrics.finished).toBe(1)
    expect(metrics).toMatchObject({ badLiarsBanned: 1, unpunishedProofs: 0 })
    expect(metrics.stallersSnubbed).toBe(1)
    expect(metrics.goodBans).toBe(0)
  })

  it('readers who want no more than comes do not stall (seed 1)', () => {
    const { metrics } = runScenario(smallScenario({ mib: 64, reader: { share: 0.2, bufferSeconds: 5 } }), 1)
    expect(metrics.finished).toBe(1)
    expect(metrics.stalls).toBe(0)
  })
})
