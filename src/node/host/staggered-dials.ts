/**
 * The addresses of a peer are dialled half a second apart and beside one another, as RFC 8305 has it for those of a
 * name; the first connection wins. libp2p dials one after the other, each for up to eight seconds: a peer whose first
 * addresses swallow packets (a VPN, another LAN, an old lease) is then not reached at its good one in the time there is.
 */
import { setMaxListeners } from 'node:events'
import { type Connection, type Libp2p, type PeerId, TimeoutError } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { DialGuard } from './dial-guard.ts'
import { plainAddr } from './guarded-transport.ts'

const STAGGER_MS = 500

interface Options {
  readonly peerId?: PeerId
  /** What is left to try; whoever wants the same peer meanwhile adds to it. */
  readonly multiaddrs: Set<string>
}

type Dial = (addr: Multiaddr, options: object & { signal: AbortSignal }) => Promise<Connection>

/** Of libp2p's dial queue. */
export interface DialQueueView {
  readonly components: {
    readonly transportManager: { dial: Dial }
    readonly peerStore: Pick<Libp2p['peerStore'], 'merge'>
  }
  /** One peer's, which the queue calls for. */
  dialPeer(options: Options, signal: AbortSignal): Promise<Connection>
  /** Those that may be dialled, the likeliest first; by peer ID alone, those known. */
  calculateMultiaddrs(
    peerId: PeerId | undefined,
    addrs: Set<string>,
    options: object & { signal: AbortSignal }
  ): Promise<ReadonlyArray<{ multiaddr: Multiaddr }>>
}

export interface StaggerInit {
  readonly guard: Pick<DialGuard, 'rank'>
  /** Of one peer. */
  readonly maxAddrs: number
  readonly addressTimeoutMs: number
}

export function staggerDials(queue: DialQueueView, { guard, maxAddrs, addressTimeoutMs }: StaggerInit): void {
  const { transportManager, peerStore } = queue.components
  queue.dialPeer = async (options, signal) => {
    const tried = new Set<string>()
    const errors: unknown[] = []
    const dial = async (addr: Multiaddr, abort: AbortController) => {
      // not AbortSignal.timeout: it would fire when the connection is there
      const timer = setTimeout(() => abort.abort(new TimeoutError('timed out')), addressTimeoutMs)
      try {
        return await transportManager.dial(addr, { ...options, signal: abort.signal })
      } finally {
        clearTimeout(timer)
      }
    }
    const rank = (addr: Multiaddr) => guard.rank(plainAddr(addr), options.peerId?.toString())
    const hasMore = () => options.multiaddrs.size > 0 && tried.size < maxAddrs
    const more = async () => {
      const wanted = new Set(options.multiaddrs)
      options.multiaddrs.clear()
      const known = await queue.calculateMultiaddrs(options.peerId, wanted, { ...options, signal })
      const untried = known
        .map(({ multiaddr }) => multiaddr)
        .filter(addr => !tried.has(addr.toString()))
        .slice(0, maxAddrs - tried.size)
      for (const addr of untried) tried.add(addr.toString())
      return untried.sort((a, b) => rank(a) - rank(b))
    }
    const connection = await firstOf(await more(), { hasMore, more, dial, signal, errors })
    if (connection !== undefined) {
      await peerStore.merge(connection.remotePeer, { multiaddrs: [connection.remoteAddr] }).catch(() => {})
      return connection
    }
    if (errors.length === 1) throw errors[0]
    throw new AggregateError(errors, 'All multiaddr dials failed')
  }
}

interface Attempt {
  /** Whether others were wanted meanwhile; they are dialled while the first may still be waited for. */
  readonly hasMore: () => boolean
  readonly more: () => Promise<readonly Multiaddr[]>
  readonly dial: (addr: Multiaddr, abort: AbortController) => Promise<Connection>
  readonly signal: AbortSignal
  /** Those of the addresses that failed are added. */
  readonly errors: unknown[]
}

/**
 * @returns undefined when all failed
 * @throws TimeoutError once `signal` fires
 */
async function firstOf(
  addrs: readonly Multiaddr[],
  { hasMore, more, dial, signal, errors }: Attempt
): Promise<Connection | undefined> {
  const running = new Set<AbortController>()
  const end = () => {
    for (const abort of running) abort.abort(signal.reason)
  }
  signal.addEventListener('abort', end, { once: true })
  let timer: NodeJS.Timeout | undefined
  try {
    return await new Promise((resolve, reject) => {
      const waiting = [...addrs]
      let isReached = false
      let isAsking = false
      const ask = async () => {
        isAsking = true
        try {
          waiting.push(...(await more()))
        } catch (err) {
          errors.push(err)
        }
        isAsking = false
        if (!isReached) next()
      }
      const next = () => {
        clearTimeout(timer)
        if (signal.aborted) return reject(new TimeoutError('the dial was ended: timed out'))
        const addr = waiting.shift()
        if (addr === undefined) {
          if (isAsking) return
          if (hasMore()) return void ask()
          if (running.size === 0) return resolve(undefined)
          timer = setTimeout(next, STAGGER_MS)
          return
        }
        const abort = new AbortController()
        setMaxListeners(0, abort.signal)
        running.add(abort)
        timer = setTimeout(next, STAGGER_MS)
        dial(addr, abort).then(
          connection => {
            // it lives on: its signal must not fire
            running.delete(abort)
            if (isReached) return void connection.close().catch(() => {})
            isReached = true
            end()
            resolve(connection)
          },
          err => {
            running.delete(abort)
            errors.push(err)
            if (!isReached) next()
          }
        )
      }
      next()
    })
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', end)
  }
}
