/**
 * How long kad-dht waits for an answer goes by moving averages of what earlier ones took, weighted by the wall clock: one
 * that is set back by an hour makes them no number, for good, and no question is ever asked again. So the weights go by a
 * monotonic clock. What the leap itself adds to one measurement is within the limits of the timeout, and soon forgotten.
 */
import type { KadDHT } from '@libp2p/kad-dht'

interface MovingAverage {
  push(value: number, time?: number): void
}

interface Timeout {
  readonly success: MovingAverage
  readonly failure: MovingAverage
  readonly next: MovingAverage
}

interface Inner {
  network: { timeout: Timeout }
  routingTable: { pingNewContactTimeout: Timeout; pingOldContactTimeout: Timeout }
}

/** @param nowMs monotonic */
export function steadyTimeouts(dht: KadDHT, nowMs: () => number = () => performance.now()): void {
  const { network, routingTable } = dht as unknown as Inner
  for (const timeout of [network.timeout, routingTable.pingNewContactTimeout, routingTable.pingOldContactTimeout]) {
    for (const average of [timeout.success, timeout.failure, timeout.next]) {
      const push = average.push.bind(average)
      average.push = value => push(value, nowMs())
    }
  }
}
