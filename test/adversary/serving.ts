/** A seeder on a real host whose clock runs fast: what takes minutes is over in seconds. */
import type { Clock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/log.ts'
import { seededRandom } from '../../src/base/random.ts'
import { MIB } from '../../src/base/units.ts'
import { cidOf, RAW } from '../../src/content/cid.ts'
import type { Host } from '../../src/node/host/create-host.ts'
import { SwarmHost } from '../../src/transfer/io/swarm-host.ts'
import { keystream } from '../helpers/keystream.ts'
import { MemoryStorage, mapPieces } from '../helpers/memory-storage.ts'
import { until } from '../node/host/test-hosts.ts'

/** Each second is so many: minutes pass while a test waits for their end. */
export class FastClock implements Clock {
  readonly #factor: number

  constructor(factor: number) {
    this.#factor = factor
  }

  now(): number {
    return performance.now() * this.#factor
  }

  wallMs(): number {
    return Date.now()
  }
}

/** Names the content of these tests; its manifest is known to all of them. */
export const ROOT = cidOf(RAW, new Uint8Array(32).fill(9))

export interface Content {
  readonly bytes: Uint8Array
  readonly pieces: ReturnType<typeof mapPieces>
}

export function content(pieceCount: number, pieceBytes = MIB): Content {
  const bytes = keystream(pieceCount * pieceBytes, 'adversary')
  return { bytes, pieces: mapPieces(bytes, new Array(pieceCount).fill(pieceBytes)) }
}

export interface Swarming {
  readonly swarms: SwarmHost
  readonly storage: MemoryStorage
  readonly banned: string[]
}

export async function swarming(
  on: Host,
  { bytes, pieces }: Content,
  options: { clock: Clock; seeds: boolean; up?: number; helloTimeoutMs?: number; onOffence?: (addr: string) => void }
): Promise<Swarming> {
  const { clock, seeds, ...more } = options
  const swarms = new SwarmHost({
    selfId: on.peerId,
    dialer: on.dialer,
    addrsOf: () => [],
    clock,
    random: seededRandom(1),
    log: silentLogger,
    ...more
  })
  await on.dialer.onStream(stream => swarms.accept(stream))
  const storage = new MemoryStorage(pieces, seeds ? bytes : undefined)
  swarms.open(ROOT.bytes).attach(storage, { fetch: !seeds })
  const banned: string[] = []
  swarms.events.on('peer:banned', ({ peerId }) => banned.push(peerId))
  return { swarms, storage, banned }
}

/** @param from addresses with peer IDs */
export async function fetchAll({ swarms, storage }: Swarming, from: readonly string[]): Promise<void> {
  const peers = from.map(addr => ({
    id: addr.split('/p2p/')[1] ?? '',
    addrs: [addr.split('/p2p/')[0] ?? ''],
    seeder: true
  }))
  swarms.open(ROOT.bytes).addPeers(peers)
  await until('all of it', () => storage.have.isFull, 50_000)
}
