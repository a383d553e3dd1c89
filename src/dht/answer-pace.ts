/**
 * How fast questions of others are answered. Each costs a fraction of a millisecond here (decoding, the routing table,
 * encoding, a write), so that one peer that asks without end would have a core. Who asks faster waits: kad-dht takes the
 * questions of a stream one by one, and what is asked meanwhile stays in the window of the stream. Nobody is punished, as
 * a node that announces thousands of roots to a small network asks fast, too.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { PeerId } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import type { Multiaddr } from '@multiformats/multiaddr'
import { ShoalError } from '../base/errors.ts'
import { hostOf } from '../base/remote-host.ts'
import { TokenBuckets } from '../base/token-buckets.ts'

/** Messages a second, and at once after a pause, of one peer … */
export const PEER_MESSAGES_PER_SEC = 400
export const PEER_MESSAGE_BURST = 1600
/** … and of all peers of one host, so that other names do not help. */
export const HOST_MESSAGES_PER_SEC = 800
export const HOST_MESSAGE_BURST = 6400
/** kad-dht gives a stream up on which a message takes 10 s. */
const MAX_WAIT_MS = 8_000

export interface Asker {
  readonly peer: string
  /** The address that it is connected from; undefined where that is gone. */
  readonly host: string | undefined
}

export class AnswerPace {
  readonly #peers = new TokenBuckets(PEER_MESSAGES_PER_SEC, PEER_MESSAGE_BURST)
  readonly #hosts = new TokenBuckets(HOST_MESSAGES_PER_SEC, HOST_MESSAGE_BURST)

  /**
   * Counts one message of the asker's.
   * @param now monotonic, ms
   * @returns how long its answer waits, ms; undefined: too long, and it is not counted
   */
  waitMs({ peer, host }: Asker, now: number): number | undefined {
    const buckets = [this.#peers.of(peer, now)]
    if (host !== undefined) buckets.push(this.#hosts.of(host, now))
    const waitMs = Math.max(...buckets.map(bucket => bucket.availableAt(now, 1) - now))
    if (waitMs > MAX_WAIT_MS) return undefined
    for (const bucket of buckets) bucket.owe(now, 1)
    return waitMs
  }
}

type Handle = (peer: PeerId, message: unknown) => Promise<unknown>

/** @param addrOf where a peer is connected from */
export function paceAnswers(dht: KadDHT, addrOf: (peer: PeerId) => Multiaddr | undefined): void {
  const { rpc } = dht as unknown as { rpc?: { handleMessage?: Handle } }
  const handle = rpc?.handleMessage?.bind(rpc)
  if (rpc === undefined || handle === undefined) return
  const pace = new AnswerPace()
  rpc.handleMessage = async (peer, message) => {
    const addr = addrOf(peer)?.toString()
    const host = addr === undefined ? undefined : hostOf(addr)
    const waitMs = pace.waitMs({ peer: peer.toString(), host }, performance.now())
    if (waitMs === undefined) throw new ShoalError('ERR_LIMIT', 'more questions than are answered')
    if (waitMs > 0) await delay(waitMs, undefined, { ref: false })
    return await handle(peer, message)
  }
}
