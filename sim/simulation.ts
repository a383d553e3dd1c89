/** One run of a scenario: who comes and goes, who finds and dials whom, and what is seen of it. */
import { type Random, seededRandom } from '../src/base/random.ts'
import { KIB, MIB, MINUTE_MS, SECOND_MS } from '../src/base/units.ts'
import { PieceMap } from '../src/content/piece-map.ts'
import type { PexPeer } from '../src/transfer/protocol/messages.ts'
import { EventQueue } from './event-queue.ts'
import { type BoundPeer, fluidBoundMs } from './fluid-bound.ts'
import { type ConnectionEnd, Network } from './network.ts'
import { Observer } from './observer.ts'
import { Reader } from './reader.ts'
import { RunHash } from './run-hash.ts'
import type { Group, Scenario } from './scenario.ts'
import { addressOf, type Behaviour, SimPeer, TICK_MS, type World } from './sim-peer.ts'
import { Tracker } from './tracker.ts'

/** Bytes a millisecond. */
export const MBIT = 125
/** Those who come together come within this. */
const JOIN_SPREAD_MS = 100
const DIAL_RTTS = 1.5
/** Where nobody is: as of src/transfer/io/swarm-runner.ts. */
const DIAL_TIMEOUT_MS = 15 * SECOND_MS
const LOOKUP_EVERY_MS = MINUTE_MS
/** A run ends so many bounds after its beginning, whoever has finished. */
const PATIENCE = 8

interface Planned {
  readonly up: number
  readonly down: number
  readonly behaviour: Behaviour
  /** After the seeder. */
  readonly joinedMs: number
}

export class Simulation implements World {
  readonly scenario: Scenario
  readonly seed: number
  readonly events = new EventQueue()
  readonly network: Network
  readonly hash = new RunHash()
  readonly pieces: PieceMap
  readonly peers: SimPeer[] = []
  readonly seeder: SimPeer
  readonly observer: Observer
  readonly boundMs: number
  readonly startedAt: number
  readonly readers = new Map<SimPeer, Reader>()
  readonly #random: Random
  readonly #tracker: Tracker
  readonly #byId = new Map<string, SimPeer>()
  readonly #coming: number
  #unfinished = 0

  constructor(scenario: Scenario, seed: number) {
    this.scenario = scenario
    this.seed = seed
    this.#random = seededRandom(seed)
    this.#tracker = new Tracker(seededRandom(this.#random.below(2 ** 32)))
    this.network = new Network(this.events, this.hash, scenario.kernel && scenario.kernel.socketKib * KIB)
    this.startedAt = this.events.now
    this.pieces = piecesOf(scenario)
    const plan = planOf(scenario)
    this.#coming = plan.length
    this.boundMs = boundOf(scenario, this.pieces.byteLength, plan)
    this.observer = new Observer(this)
    this.seeder = this.#add({ ...scenario.seeder, behaviour: 'honest', joinedMs: 0 }, true)
    for (const planned of plan) {
      const delay = planned.joinedMs + this.#random.next() * JOIN_SPREAD_MS
      this.events.after(delay, () => this.#add(planned, false))
    }
    if (scenario.churnPerMinute > 0) this.#churn()
  }

  /** Until those waited for have finished, or patience ends. @param untilMs or then, ms after the seeder came */
  run(untilMs: number = Number.POSITIVE_INFINITY): void {
    const end = this.startedAt + Math.min(untilMs, this.boundMs * PATIENCE)
    while (!this.isOver && this.events.step(end)) {}
  }

  /** All have come, and those waited for have finished. */
  get isOver(): boolean {
    return this.#unfinished === 0 && this.peers.length > this.#coming
  }

  /** Leechers that keep the rules. */
  get honest(): SimPeer[] {
    return this.peers.filter(peer => peer !== this.seeder && peer.isHonest)
  }

  /** Those whose finish is waited for: honest, there from their planned time, and still there. */
  get waitedFor(): SimPeer[] {
    return this.peers.filter(peer => this.#isWaitedFor(peer))
  }

  byId(id: string): SimPeer | undefined {
    return this.#byId.get(id)
  }

  // World

  dial(from: SimPeer, peer: PexPeer): void {
    const to = this.#byId.get(peer.id)
    const delayMs = to === undefined ? this.scenario.delayMs : this.#delayOf(from, to)
    this.events.after(to === undefined ? DIAL_TIMEOUT_MS : DIAL_RTTS * 2 * delayMs, () => {
      if (!from.isAlive) return
      const refused = to === undefined || !to.isAlive || to.banned.has(from.id) || from.banned.has(peer.id)
      if (refused || to === from) from.post({ type: 'dialFailed', peerId: peer.id })
      else this.#connect(from, to, delayMs)
    })
  }

  verified(peer: SimPeer, piece: number): void {
    this.observer.verified(peer, piece)
    this.readers.get(peer)?.advance()
    if (this.scenario.seederLeaves && this.seeder.isAlive && this.observer.isAllElsewhere)
      this.#leave(this.seeder, true)
  }

  pieceFalse(peer: SimPeer, givers: ReadonlySet<string>): void {
    this.observer.pieceFalse(peer, givers)
  }

  completed(peer: SimPeer): void {
    if (this.#isWaitedFor(peer)) this.#unfinished -= 1
    this.observer.completed(peer)
  }

  banned(peer: SimPeer, otherId: string): void {
    this.observer.banned(peer, otherId)
  }

  // inside

  #isWaitedFor(peer: SimPeer): boolean {
    return peer !== this.seeder && peer.isHonest && peer.index <= this.#coming && peer.isAlive
  }

  #add(planned: Planned, isSeeder: boolean): SimPeer {
    const index = this.peers.length
    const { kernel } = this.scenario
    const peer = new SimPeer(this, {
      id: `peer-${String(index).padStart(4, '0')}`,
      index,
      isSeeder,
      behaviour: planned.behaviour,
      up: planned.up * MBIT,
      down: planned.down * MBIT,
      queueBytes: kernel && Math.max(1, kernel.queueMs * planned.up * MBIT),
      joinedAt: this.events.now,
      random: seededRandom(this.#random.below(2 ** 32)),
      config: this.scenario.core,
      uploader: this.scenario.uploader
    })
    this.peers.push(peer)
    this.#byId.set(peer.id, peer)
    if (this.#isWaitedFor(peer) && !isSeeder) this.#unfinished += 1
    this.events.after(this.#random.next() * TICK_MS, () => this.#tick(peer))
    if (!isSeeder) this.#lookUp(peer)
    this.#tracker.add(peer.id)
    const { reader } = this.scenario
    if (!isSeeder && peer.isHonest && reader !== undefined) {
      const rate = (reader.share * this.pieces.byteLength) / this.boundMs
      const bufferMs = reader.bufferSeconds * SECOND_MS
      this.readers.set(peer, new Reader(peer, this.events, this.pieces, { rate, bufferMs }))
    }
    return peer
  }

  #tick(peer: SimPeer): void {
    if (!peer.isAlive) return
    peer.tick()
    this.observer.tick(peer)
    this.events.after(TICK_MS, () => this.#tick(peer))
  }

  #lookUp(peer: SimPeer): void {
    if (!peer.isAlive || peer.completedAt !== undefined) return
    const found = this.#tracker.ask(peer.id).map(id => ({ id, addrs: [addressOf(id)], seeder: false }))
    peer.post({ type: 'peersFound', peers: found })
    this.events.after(LOOKUP_EVERY_MS, () => this.#lookUp(peer))
  }

  #connect(from: SimPeer, to: SimPeer, delayMs: number): void {
    const end = this.network.connect({ host: from, peerId: from.id }, { host: to, peerId: to.id }, delayMs)
    from.opened(end, true)
    to.opened(end.other, false)
    const { lossPerMinute } = this.scenario
    if (lossPerMinute > 0) this.#planLoss(end, lossPerMinute)
  }

  #planLoss(end: ConnectionEnd, lossPerMinute: number): void {
    const life = (-Math.log(1 - this.#random.next()) * MINUTE_MS) / -Math.log(1 - lossPerMinute)
    this.events.after(life, () => {
      if (end.isOpen && end.other.isOpen) this.network.lose(end)
    })
  }

  #delayOf(a: SimPeer, b: SimPeer): number {
    const pair = Math.min(a.index, b.index) * 65_537 + Math.max(a.index, b.index)
    const unit = seededRandom(this.seed ^ Math.imul(pair, 0x9e37_79b1)).next()
    return this.scenario.delayMs * (0.75 + unit / 2)
  }

  #leave(peer: SimPeer, saysGoodbye: boolean): void {
    if (this.#isWaitedFor(peer) && peer.completedAt === undefined) this.#unfinished -= 1
    this.observer.left(peer)
    this.#tracker.remove(peer.id)
    peer.leave(saysGoodbye)
  }

  /** One leaves without a word, one like it joins. */
  #churn(): void {
    const everyMs = MINUTE_MS / (this.scenario.churnPerMinute * this.#coming)
    this.events.after(everyMs, () => {
      const present = this.peers.filter(peer => peer !== this.seeder && peer.isAlive && peer.isHonest)
      const goes = present[this.#random.below(Math.max(1, present.length))]
      if (goes !== undefined) {
        this.#leave(goes, false)
        const { up, down, behaviour } = goes.init
        this.#add({ up: up / MBIT, down: down / MBIT, behaviour, joinedMs: 0 }, false)
      }
      this.#churn()
    })
  }
}

function piecesOf({ mib, pieceKib }: Scenario): PieceMap {
  const count = Math.ceil((mib * MIB) / (pieceKib * KIB))
  const sizes = new Array<number>(count).fill(pieceKib * KIB)
  sizes[count - 1] = mib * MIB - (count - 1) * pieceKib * KIB
  return new PieceMap(new Uint8Array(32 * count), sizes)
}

/** The leechers, in the order in which they come: groups are mixed, so that no kind comes first. */
function planOf({ groups, doubling }: Scenario): Planned[] {
  const all = groups
    .flatMap(group =>
      Array.from({ length: group.count }, (_, at) => ({
        place: (at + 0.5) / group.count,
        peer: { up: upOf(group, at), down: group.down, behaviour: group.behaviour }
      }))
    )
    .sort((a, b) => a.place - b.place)
  return all.map(({ peer }, at) => {
    const doublings = doubling === undefined ? 0 : Math.max(0, Math.ceil(Math.log2((at + 1) / doubling.first)))
    return { ...peer, joinedMs: doublings * (doubling?.everySeconds ?? 0) * SECOND_MS }
  })
}

function upOf({ up, count }: Group, at: number): number {
  if (typeof up === 'number') return up
  const [least, most] = up
  return least * (most / least) ** ((at + 0.5) / count)
}

/** What liars and free riders could give does not count; neither is what liars take waited for. */
function boundOf(scenario: Scenario, fileBytes: number, plan: readonly Planned[]): number {
  const peers: BoundPeer[] = plan
    .filter(({ behaviour }) => behaviour === 'honest' || behaviour === 'freeRider')
    .map(({ up, down, behaviour, joinedMs }) => ({
      up: behaviour === 'honest' ? up * MBIT : 0,
      down: down * MBIT,
      joinedMs,
      isWaitedFor: behaviour === 'honest'
    }))
  return fluidBoundMs(fileBytes, scenario.seeder.up * MBIT, peers)
}
