/** Sees what happens in a run and sums it up. Changes nothing. */
import { SECOND_MS } from '../src/base/units.ts'
import { correlation, type Metrics, median } from './metrics.ts'
import type { SimPeer } from './sim-peer.ts'
import type { Simulation } from './simulation.ts'

/** How often it looks for snubbed peers. */
const LOOK_EVERY_MS = 2 * SECOND_MS

export class Observer {
  readonly #sim: Simulation
  /** Peers that hold each piece, the seeder not counted. */
  readonly #holders: Uint16Array
  #heldPieces = 0
  #goodBans = 0
  readonly #bannedLiars = new Set<string>()
  readonly #snubbed = new Set<string>()
  #falsePieces = 0
  /** False pieces that one peer gave whole, and was not banned for. */
  #unpunished = 0
  readonly #lookedAt = new Map<SimPeer, number>()
  #correlation: number | undefined
  #freeRiderShare: number | undefined
  #finished = 0

  constructor(sim: Simulation) {
    this.#sim = sim
    this.#holders = new Uint16Array(sim.pieces.count)
  }

  /** Every piece is held by somebody who is there and is not the seeder. */
  get isAllElsewhere(): boolean {
    return this.#heldPieces === this.#holders.length
  }

  verified(peer: SimPeer, piece: number): void {
    if (peer === this.#sim.seeder) return
    const holders = (this.#holders[piece] ?? 0) + 1
    this.#holders[piece] = holders
    if (holders === 1) this.#heldPieces += 1
  }

  left(peer: SimPeer): void {
    if (peer === this.#sim.seeder) return
    for (const piece of peer.have.ones()) {
      const holders = (this.#holders[piece] ?? 1) - 1
      this.#holders[piece] = holders
      if (holders === 0) this.#heldPieces -= 1
    }
  }

  pieceFalse(peer: SimPeer, givers: ReadonlySet<string>): void {
    this.#falsePieces += 1
    const [only] = givers
    if (givers.size === 1 && only !== undefined && !peer.banned.has(only)) this.#unpunished += 1
  }

  banned(_by: SimPeer, otherId: string): void {
    const other = this.#sim.byId(otherId)
    if (other === undefined) return
    if (other.isHonest || other.init.behaviour === 'freeRider') this.#goodBans += 1
    else this.#bannedLiars.add(otherId)
  }

  completed(peer: SimPeer): void {
    if (!peer.isHonest) return
    this.#finished += 1
    const { honest } = this.#sim
    if (this.#finished === 1) {
      const present = honest.filter(({ isAlive }) => isAlive)
      this.#correlation = correlation(present.map(one => [one.uplink.sentBytes, one.incoming.keptBytes] as const))
    }
    if (this.#finished === Math.ceil(honest.length / 2)) {
      const riders = this.#sim.peers.filter(({ init }) => init.behaviour === 'freeRider')
      this.#freeRiderShare = median(riders.map(({ have }) => have.count / have.length))
    }
  }

  tick(peer: SimPeer): void {
    const { now } = this.#sim.events
    if (!peer.isHonest || !this.#hasStallers || now - (this.#lookedAt.get(peer) ?? 0) < LOOK_EVERY_MS) return
    this.#lookedAt.set(peer, now)
    for (const session of peer.swarm.snapshot(now).sessions) if (session.snubbed) this.#snubbed.add(session.peerId)
  }

  metrics(): Metrics {
    const { waitedFor, honest, seeder, boundMs, startedAt, pieces, peers, readers } = this.#sim
    const times = waitedFor.map(({ completedAt }) => (completedAt ?? Number.POSITIVE_INFINITY) - startedAt)
    const sum = (value: (peer: SimPeer) => number) => honest.reduce((total, peer) => total + value(peer), 0)
    const kept = sum(({ incoming }) => incoming.keptBytes)
    const duplicate = sum(({ incoming }) => incoming.duplicateBytes)
    const wasted = duplicate + sum(({ incoming }) => incoming.falseBytes + incoming.brokenBytes)
    const ofKind = (kind: string) => peers.filter(({ init }) => init.behaviour === kind)
    const shareOf = (kind: string, seen: ReadonlySet<string>) => {
      const all = ofKind(kind)
      return all.length === 0 ? undefined : all.filter(({ id }) => seen.has(id)).length / all.length
    }
    const liars = ofKind('badBytes').length
    const played = [...readers].filter(([peer]) => peer.isAlive).map(([, reader]) => reader)
    const ofReaders = (value: number) => (played.length === 0 ? undefined : value)
    return {
      finished: times.filter(Number.isFinite).length / times.length,
      lastOverBound: Math.max(...times) / boundMs,
      medianOverBound: (median(times) ?? Number.POSITIVE_INFINITY) / boundMs,
      seederCopies: seeder.uplink.sentBytes / pieces.byteLength,
      duplicateShare: duplicate / kept,
      wastedShare: wasted / kept,
      giveGetCorrelation: this.#correlation,
      freeRiderShare: this.#freeRiderShare,
      goodBans: this.#goodBans,
      badLiarsBanned: shareOf('badBytes', this.#bannedLiars),
      unpunishedProofs: liars === 0 ? undefined : this.#unpunished,
      falsePieces: liars === 0 ? undefined : this.#falsePieces,
      stallersSnubbed: shareOf('staller', this.#snubbed),
      stalls: ofReaders(played.reduce((total, { stalls }) => total + stalls, 0)),
      stalledSeconds: ofReaders(Math.max(...played.map(({ stalledMs }) => stalledMs)) / SECOND_MS),
      startupSeconds: ofReaders(Math.max(...played.map(({ startupMs }) => startupMs)) / SECOND_MS)
    }
  }

  get #hasStallers(): boolean {
    return this.#sim.scenario.groups.some(({ behaviour }) => behaviour === 'staller')
  }
}
