/** Swarm hosts that reach each other through memory, for tests. */
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/log.ts'
import { seededRandom } from '../../src/base/random.ts'
import type { PieceMap } from '../../src/content/piece-map.ts'
import { SwarmHost } from '../../src/transfer/io/swarm-host.ts'
import type { SwarmRunner } from '../../src/transfer/io/swarm-runner.ts'
import { MemoryStorage } from './memory-storage.ts'
import { MemoryStream } from './memory-stream.ts'

export const ROOT = Uint8Array.from([1, 0x70, 0x12, 0x20, ...new Array(32).fill(7)])

export class MemoryNetwork {
  readonly hosts = new Map<string, SwarmHost>()
  /** Called with the receiving end of every new stream. */
  onStream: ((from: string, to: string, end: MemoryStream) => void) | undefined

  host(id: string, limits: { up?: number; down?: number } = {}): SwarmHost {
    const host = new SwarmHost({
      selfId: id,
      clock: systemClock,
      random: seededRandom(this.hosts.size + 1),
      log: silentLogger,
      addrsOf: () => [],
      ...limits,
      dialer: {
        dial: async peer => {
          const target = this.hosts.get(peer.id)
          if (target === undefined) throw new Error(`no host ${peer.id}`)
          const [ours, theirs] = MemoryStream.pair(id, peer.id)
          this.onStream?.(id, peer.id, ours)
          target.accept(theirs)
          return ours
        }
      }
    })
    this.hosts.set(id, host)
    return host
  }

  seeder(id: string, pieces: PieceMap, bytes: Uint8Array, limits: { up?: number } = {}): SwarmRunner {
    const runner = this.host(id, limits).open(ROOT)
    runner.attach(new MemoryStorage(pieces, bytes), { fetch: false })
    return runner
  }

  leecher(
    id: string,
    pieces: PieceMap,
    limits: { down?: number } = {}
  ): { runner: SwarmRunner; storage: MemoryStorage } {
    const runner = this.host(id, limits).open(ROOT)
    const storage = new MemoryStorage(pieces)
    runner.attach(storage, { fetch: true })
    return { runner, storage }
  }

  async stop(): Promise<void> {
    await Promise.all([...this.hosts.values()].map(host => host.stop()))
  }
}

export const peer = (id: string) => ({ id, addrs: [], seeder: false })
