/**
 * One node of the simulated network: the production core with the runner's part of the contract, on virtual time. What
 * src/transfer/io/swarm-runner.ts does with streams and disk is done here with counts.
 */
import type { Random } from '../src/base/random.ts'
import { Bitfield } from '../src/content/bitfield.ts'
import type { PieceMap } from '../src/content/piece-map.ts'
import type { SwarmConfig } from '../src/transfer/core/config.ts'
import { Swarm } from '../src/transfer/core/swarm.ts'
import type { Action, Input } from '../src/transfer/core/swarm-io.ts'
import type { Message, PexPeer } from '../src/transfer/protocol/messages.ts'
import { Downlink, FairUplink, type Uplink } from './access-link.ts'
import type { EventQueue } from './event-queue.ts'
import { type Asked, type Hands, HOSTILE_KINDS, type HostileKind, type Hostility, hostility } from './hostile.ts'
import { Incoming } from './incoming.ts'
import { KernelUplink } from './kernel-uplink.ts'
import type { ConnectionEnd, Data, Host, Network } from './network.ts'
import { SimUploader, type UploaderSettings } from './sim-uploader.ts'

export const ROOT = Uint8Array.from([1, 0x55, 0x12, 0x20, ...new Array<number>(32).fill(7)])
export const TICK_MS = 250
/** Hash and write: bytes a millisecond. */
const VERIFY_BYTES_PER_MS = 1e6
/** Of a DAG node, for each of its leaves. */
const LINK_BYTES = 50

/** `freeRider`: takes and unchokes nobody. The others are told in hostile.ts. */
export const BEHAVIOURS = ['honest', 'freeRider', ...HOSTILE_KINDS] as const
export type Behaviour = (typeof BEHAVIOURS)[number]

export interface SimPeerInit {
  readonly id: string
  readonly index: number
  readonly isSeeder: boolean
  readonly behaviour: Behaviour
  /** Bytes a millisecond. */
  readonly up: number
  readonly down: number
  /** What its router's queue takes; undefined: control messages overtake data. */
  readonly queueBytes: number | undefined
  readonly joinedAt: number
  readonly random: Random
  readonly config: Partial<SwarmConfig>
  readonly uploader: UploaderSettings
}

/** What a peer needs of the world around it. */
export interface World {
  readonly events: EventQueue
  readonly network: Network
  readonly pieces: PieceMap
  dial(from: SimPeer, peer: PexPeer): void
  verified(peer: SimPeer, piece: number): void
  /** After the core was told. */
  pieceFalse(peer: SimPeer, givers: ReadonlySet<string>): void
  completed(peer: SimPeer): void
  banned(peer: SimPeer, otherId: string): void
}

export class SimPeer implements Host {
  readonly id: string
  readonly index: number
  readonly init: SimPeerInit
  readonly swarm: Swarm
  readonly uplink: Uplink
  readonly downlink: Downlink
  readonly incoming = new Incoming()
  readonly have: Bitfield
  readonly ends = new Map<number, ConnectionEnd>()
  readonly banned = new Set<string>()
  isAlive = true
  completedAt: number | undefined
  readonly #world: World
  readonly #uploader: SimUploader
  readonly #hostility: Hostility | undefined
  readonly #inputs: Input[] = []
  #isHandling = false
  #hasManifest = false
  readonly #hands: Hands

  constructor(world: World, init: SimPeerInit) {
    this.#world = world
    this.init = init
    this.id = init.id
    this.index = init.index
    const { events } = world
    const { up, queueBytes } = init
    this.uplink = queueBytes === undefined ? new FairUplink(events, up) : new KernelUplink(events, up, queueBytes)
    this.downlink = new Downlink(world.events, init.down)
    const kind = HOSTILE_KINDS.find((one: HostileKind) => one === init.behaviour)
    this.#hostility = kind === undefined ? undefined : hostility(kind)
    const holdsAll = init.isSeeder || this.#hostility?.pretends === true
    this.have = holdsAll ? Bitfield.full(world.pieces.count) : new Bitfield(world.pieces.count)
    this.swarm = new Swarm({
      root: ROOT,
      selfId: init.id,
      random: init.random,
      config: { ...init.config, ...(init.behaviour === 'freeRider' && { regularSlots: 0, optimisticSlots: 0 }) }
    })
    this.#uploader = new SimUploader(
      {
        after: (ms, run) => world.events.after(ms, run),
        send: (end, id, bytes) => world.network.sendData(end, { id, bytes, isFalse: init.behaviour === 'badBytes' }),
        ended: (end, id, sentBytes) => this.post({ type: 'uploadEnded', session: end.session, id, sentBytes })
      },
      init.uploader
    )
    const { ends } = this
    this.#hands = {
      get sessions() {
        return ends.keys()
      },
      pieceCount: world.pieces.count,
      say: (session, message) => this.#say(session, message),
      give: (session, id, bytes) => {
        const end = this.ends.get(session)
        if (end?.isOpen === true) world.network.sendData(end, { id, bytes, isFalse: false })
      },
      upload: asked => this.#enqueue(asked),
      refuse: ({ session, id }) => {
        this.#say(session, { type: 'reject', id, code: 'notHeld' })
        this.post({ type: 'uploadEnded', session, id, sentBytes: 0 })
      }
    }
    if (holdsAll) this.#load()
  }

  get isDeaf(): boolean {
    return this.#hostility?.isDeaf === true
  }

  get isHonest(): boolean {
    return this.init.behaviour === 'honest'
  }

  /** One input, then all its actions, then the next. */
  post(input: Input): void {
    if (!this.isAlive) return
    this.#inputs.push(input)
    if (this.#isHandling) return
    this.#isHandling = true
    for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
      for (const action of this.swarm.handle(next, this.#world.events.now)) this.#perform(action)
    }
    this.#isHandling = false
  }

  tick(): void {
    const moved: Array<{ session: number; down: number; up: number }> = []
    for (const end of this.ends.values()) {
      if (end.upBytes === 0 && end.downBytes === 0) continue
      moved.push({ session: end.session, down: end.downBytes, up: end.upBytes })
      end.upBytes = 0
      end.downBytes = 0
    }
    this.post({ type: 'tick', moved })
    if (this.#hasManifest) this.#hostility?.tick(this.#hands)
  }

  /** A connection is open. */
  opened(end: ConnectionEnd, outbound: boolean): void {
    this.ends.set(end.session, end)
    const { session, peerId } = end
    this.post({ type: 'sessionOpened', session, peerId, outbound, addrs: [addressOf(peerId)] })
  }

  /** Ends everything. @param saysGoodbye as a node that stops does; otherwise as one that crashes */
  leave(saysGoodbye: boolean): void {
    this.isAlive = false
    for (const end of [...this.ends.values()]) {
      if (saysGoodbye) {
        this.#world.network.sendMessage(end, { type: 'goodbye', code: 'stopping', message: 'this node stops' })
      }
      this.#world.network.close(end)
    }
    this.ends.clear()
  }

  // Host

  onMessage(end: ConnectionEnd, message: Message): void {
    this.post({ type: 'message', session: end.session, message })
    if (message.type === 'nodes' && message.blocks.length > 0 && !this.#hasManifest) {
      this.post({ type: 'nodesAccepted', session: end.session, known: 1, complete: true })
      this.#load()
    }
    if (message.type === 'goodbye') this.#close(end)
  }

  onData(end: ConnectionEnd, data: Data): void {
    const request = this.incoming.requestOf(end.session, data.id)
    if (this.incoming.receive(end.session, data)) {
      const goesOn = request === undefined || this.#hostility?.got(this.#hands, request) !== false
      if (goesOn) this.post({ type: 'requestCompleted', session: end.session, id: data.id })
    }
  }

  onDrain(end: ConnectionEnd): void {
    this.#uploader.drained(end.session)
  }

  onClosed(end: ConnectionEnd): void {
    if (!this.ends.delete(end.session)) return
    this.incoming.forgetSession(end.session)
    this.#uploader.dropSession(end.session)
    this.post({ type: 'sessionClosed', session: end.session })
  }

  #close(end: ConnectionEnd): void {
    this.#world.network.close(end)
    this.onClosed(end)
  }

  #load(): void {
    this.#hasManifest = true
    this.post({ type: 'manifestReady', pieces: this.#world.pieces, nodeCount: 1, have: this.have })
  }

  #perform(action: Action): void {
    switch (action.type) {
      case 'send':
        this.#send(action.session, action.message)
        return
      case 'request': {
        const { session, id, offset, length } = action
        const end = this.ends.get(session)
        if (end === undefined) return
        this.incoming.expect(end, id, offset, length)
        this.#send(session, { type: 'request', id, offset, length })
        return
      }
      case 'cancelRequest':
        this.incoming.forget(action.session, action.id)
        this.#send(action.session, { type: 'cancel', id: action.id })
        return
      case 'verify':
        this.#verify(action.first, action.count)
        return
      case 'upload':
        this.#upload(action)
        return
      case 'cancelUpload':
        this.#uploader.cancel(action.session, action.id)
        return
      case 'sendNodes':
        this.#send(action.session, { type: 'nodes', first: 0, total: 1, blocks: [this.#node()] })
        return
      case 'dial':
        this.#world.dial(this, action.peer)
        return
      case 'disconnect': {
        const end = this.ends.get(action.session)
        if (end === undefined) return
        this.#send(action.session, { type: 'goodbye', code: action.code, message: action.message })
        this.#close(end)
        return
      }
      case 'ban':
        this.banned.add(action.peerId)
        this.#world.banned(this, action.peerId)
        for (const end of [...this.ends.values()]) {
          if (end.peerId !== action.peerId) continue
          this.#send(end.session, { type: 'goodbye', code: 'badData', message: action.reason })
          this.#close(end)
        }
        return
      case 'completed':
        if (this.init.isSeeder || this.completedAt !== undefined) return
        this.completedAt = this.#world.events.now
        this.#world.completed(this)
        return
      default:
        action satisfies never
    }
  }

  #node(): Uint8Array {
    return new Uint8Array(LINK_BYTES * this.#world.pieces.count)
  }

  #send(session: number, message: Message): void {
    const end = this.ends.get(session)
    if (end !== undefined && this.#hostility?.says(message) !== false) this.#world.network.sendMessage(end, message)
  }

  /** Whatever its hostility says of it. */
  #say(session: number, message: Message): void {
    const end = this.ends.get(session)
    if (end !== undefined) this.#world.network.sendMessage(end, message)
  }

  #upload(asked: Extract<Action, { type: 'upload' }>): void {
    if (this.#hostility === undefined) this.#enqueue(asked)
    else this.#hostility.asked(this.#hands, asked)
  }

  #enqueue({ session, id, offset, length }: Asked): void {
    const end = this.ends.get(session)
    if (end === undefined) return
    this.#uploader.enqueue(end, { id, offset, length, piece: this.#world.pieces.pieceAt(offset) ?? 0 })
  }

  #verify(first: number, count: number): void {
    const { pieces, events } = this.#world
    const start = pieces.offset(first)
    const end = pieces.offset(first + count)
    const { matches, givers } = this.incoming.take(start, end)
    events.after((end - start) / VERIFY_BYTES_PER_MS, () => {
      if (!this.isAlive) return
      for (let piece = first; piece < first + count; piece++) {
        if (matches) {
          this.have.add(piece)
          this.post({ type: 'pieceVerified', piece })
          this.#world.verified(this, piece)
        } else {
          this.post({ type: 'pieceFalse', piece })
          this.#world.pieceFalse(this, givers)
        }
      }
    })
  }
}

export function addressOf(peerId: string): string {
  return `/sim/${peerId}`
}
