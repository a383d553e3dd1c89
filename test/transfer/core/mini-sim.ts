/**
 * A swarm in memory on virtual time: production cores joined by a message bus. Each node has an uplink of a fixed rate,
 * one upload queue, and a store that knows which bytes are false; payload is only counted. Everything follows from the
 * seed. Not the network simulator: latency is one number, links never lose anything.
 */
import { type Random, seededRandom } from '../../../src/base/random.ts'
import { Bitfield } from '../../../src/content/bitfield.ts'
import { PieceMap } from '../../../src/content/piece-map.ts'
import type { SwarmConfig } from '../../../src/transfer/core/config.ts'
import { Swarm } from '../../../src/transfer/core/swarm.ts'
import type { Action, Input, SessionId } from '../../../src/transfer/core/swarm-io.ts'
import { UploadQueue } from '../../../src/transfer/core/upload-queue.ts'
import { decodeMessage, encodeMessage } from '../../../src/transfer/protocol/codec.ts'
import type { Message } from '../../../src/transfer/protocol/messages.ts'

export const ROOT = Uint8Array.from([1, 0x55, 0x12, 0x20, ...new Array<number>(32).fill(7)])
const FRAME_BYTES = 64 * 1024
const TICK_MS = 250
const LATENCY_MS = 5

export function pieceMap(sizes: readonly number[]): PieceMap {
  return new PieceMap(new Uint8Array(32 * sizes.length), sizes)
}

export interface SimNodeInit {
  readonly id: string
  readonly has: 'all' | 'none'
  /** Bytes a second. */
  readonly up: number
  /** Sends false bytes. */
  readonly liar?: boolean
  /** Accepts requests and never answers. */
  readonly staller?: boolean
  readonly config?: Partial<SwarmConfig>
}

interface Link {
  readonly to: SimNode
  readonly remote: SessionId
}

interface Arriving {
  readonly offset: number
  readonly length: number
  got: number
}

interface Sending {
  readonly session: SessionId
  readonly id: number
  readonly length: number
  sent: number
}

/** One node: the runner's part of the contract, without bytes. */
export class SimNode {
  readonly init: SimNodeInit
  readonly swarm: Swarm
  readonly have: Bitfield
  readonly links = new Map<SessionId, Link>()
  readonly banned = new Set<string>()
  /** Requests made, by the offset they begin at. */
  readonly requested = new Map<number, number>()
  requests = 0
  sentBytes = 0
  receivedBytes = 0
  completedAt: number | undefined
  alive = true
  readonly log: Action[] = []
  /** Called with each action before it is carried out. */
  onAction: ((action: Action) => void) | undefined
  readonly #sim: MiniSim
  readonly #queue = new UploadQueue()
  readonly #lengths = new Map<string, number>()
  readonly #arriving = new Map<string, Arriving>()
  /** Offset → who gave the block, and whether it is false. */
  readonly #blocks = new Map<number, { length: number; bad: boolean }>()
  readonly #moved = new Map<SessionId, { down: number; up: number }>()
  readonly #inputs: Input[] = []
  #handling = false
  #sending: Sending | undefined
  #manifest = false
  /** Storages that were attached. */
  #storages = 0

  constructor(sim: MiniSim, init: SimNodeInit, random: Random) {
    this.#sim = sim
    this.init = init
    this.have = init.has === 'all' ? Bitfield.full(sim.pieces.count) : new Bitfield(sim.pieces.count)
    this.swarm = new Swarm({ root: ROOT, selfId: init.id, random, ...(init.config && { config: init.config }) })
    if (init.has === 'all') this.#load()
  }

  post(input: Input): void {
    if (!this.alive) return
    this.#inputs.push(input)
    if (this.#handling) return
    this.#handling = true
    for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
      for (const action of this.swarm.handle(next, this.#sim.now)) this.#perform(action)
    }
    this.#handling = false
  }

  tick(): void {
    const moved = [...this.#moved].map(([session, bytes]) => ({ session, ...bytes }))
    this.#moved.clear()
    this.post({ type: 'tick', moved })
  }

  /** The other end closed. */
  closed(session: SessionId): void {
    if (!this.links.delete(session)) return
    this.#queue.dropSession(session)
    if (this.#sending?.session === session) this.#sending = undefined
    for (const key of [...this.#arriving.keys()]) if (key.startsWith(`${session}:`)) this.#arriving.delete(key)
    this.post({ type: 'sessionClosed', session })
    this.#pump()
  }

  receive(session: SessionId, bytes: Uint8Array): void {
    if (!this.links.has(session)) return
    const message = decodeMessage(bytes)
    if (message === undefined) return
    this.post({ type: 'message', session, message })
    if (message.type === 'nodes' && message.blocks.length > 0 && !this.#manifest) {
      this.post({ type: 'nodesAccepted', session, known: 1, complete: true })
      this.#load()
    }
    if (message.type === 'goodbye') this.#sim.close(this, session)
  }

  receiveData(session: SessionId, id: number, length: number, bad: boolean): void {
    const key = `${session}:${id}`
    const arriving = this.#arriving.get(key)
    if (!this.links.has(session)) return
    this.receivedBytes += length
    this.#count(session, 'down', length)
    if (arriving === undefined) return
    arriving.got += length
    if (arriving.got > arriving.length) throw new Error('more data than was asked for')
    if (arriving.got < arriving.length) return
    this.#arriving.delete(key)
    if (!this.#blocks.has(arriving.offset)) this.#blocks.set(arriving.offset, { length: arriving.length, bad })
    this.post({ type: 'requestCompleted', session, id })
  }

  /** Another storage is attached, with the same pieces. */
  reload(): void {
    if (this.#manifest) this.#load()
  }

  #load(): void {
    this.#manifest = true
    this.#storages += 1
    this.post({ type: 'manifestReady', pieces: this.#sim.pieces, nodeCount: 1, have: this.have })
  }

  #perform(action: Action): void {
    this.log.push(action)
    this.onAction?.(action)
    switch (action.type) {
      case 'send':
        this.#send(action.session, action.message)
        return
      case 'request':
        this.requests += 1
        this.requested.set(action.offset, (this.requested.get(action.offset) ?? 0) + 1)
        // asked anew: what came of it before is not used
        this.#blocks.delete(action.offset)
        this.#arriving.set(`${action.session}:${action.id}`, { offset: action.offset, length: action.length, got: 0 })
        this.#send(action.session, { ...action, type: 'request' })
        return
      case 'cancelRequest':
        this.#arriving.delete(`${action.session}:${action.id}`)
        this.#send(action.session, { type: 'cancel', id: action.id })
        return
      case 'verify':
        this.#verify(action.first, action.count)
        return
      case 'upload': {
        const { session, id, offset, length } = action
        if (this.init.staller === true) return
        this.#lengths.set(`${session}:${id}`, length)
        this.#queue.enqueue({ session, id, offset, length, piece: this.#sim.pieces.pieceAt(offset) ?? 0 })
        this.#pump()
        return
      }
      case 'cancelUpload':
        if (this.#queue.cancel(action.session, action.id)) {
          this.post({ type: 'uploadEnded', session: action.session, id: action.id, sentBytes: 0 })
        } else if (this.#sending?.session === action.session && this.#sending.id === action.id) {
          this.#sending = undefined
          this.#pump()
        }
        return
      case 'sendNodes':
        this.#send(action.session, { type: 'nodes', first: 0, total: 1, blocks: [Uint8Array.of(1)] })
        return
      case 'dial':
        this.#sim.dial(this, action.peer.id)
        return
      case 'disconnect':
        this.#send(action.session, { type: 'goodbye', code: action.code, message: action.message })
        this.#sim.close(this, action.session)
        return
      case 'ban':
        this.banned.add(action.peerId)
        for (const [session, { to }] of [...this.links]) {
          if (to.init.id === action.peerId) this.#sim.close(this, session)
        }
        return
      case 'completed':
        this.completedAt ??= this.#sim.now
    }
  }

  #send(session: SessionId, message: Message): void {
    const link = this.links.get(session)
    if (link === undefined) return
    const bytes = encodeMessage(message)
    this.#sim.after(LATENCY_MS, () => {
      if (link.to.alive) link.to.receive(link.remote, bytes)
    })
  }

  #verify(first: number, count: number): void {
    const { pieces } = this.#sim
    const end = pieces.offset(first + count)
    let bad = false
    for (let at = pieces.offset(first); at < end; ) {
      const block = this.#blocks.get(at)
      if (block === undefined || at + block.length > end) throw new Error(`blocks do not tile pieces from ${first}`)
      this.#blocks.delete(at)
      bad ||= block.bad
      at += block.length
    }
    const storage = this.#storages
    this.#sim.after(1, () => {
      // what becomes of it says nothing of another storage
      if (storage !== this.#storages) return
      for (let piece = first; piece < first + count; piece++) {
        if (!bad) this.have.add(piece)
        this.post({ type: bad ? 'pieceFalse' : 'pieceVerified', piece })
      }
    })
  }

  /** Sends one frame after the other at the rate of the uplink. */
  #pump(): void {
    if (this.#sending !== undefined) return
    const next = this.#queue.next()
    if (next === undefined) return
    this.#sending = { session: next.session, id: next.id, length: next.length, sent: 0 }
    this.#frame(this.#sending)
  }

  #frame(sending: Sending): void {
    const length = Math.min(this.#sim.frameBytes, sending.length - sending.sent)
    this.#sim.after((length * 1000) / this.init.up, () => {
      if (!this.alive) return
      const link = this.links.get(sending.session)
      if (this.#sending !== sending || link === undefined) return this.#pump()
      sending.sent += length
      this.sentBytes += length
      this.#count(sending.session, 'up', length)
      this.#sim.after(LATENCY_MS, () => {
        if (link.to.alive) link.to.receiveData(link.remote, sending.id, length, this.init.liar === true)
      })
      if (sending.sent < sending.length) return this.#frame(sending)
      this.#sending = undefined
      this.post({ type: 'uploadEnded', session: sending.session, id: sending.id, sentBytes: sending.length })
      this.#pump()
    })
  }

  #count(session: SessionId, direction: 'up' | 'down', bytes: number): void {
    const moved = this.#moved.get(session) ?? { down: 0, up: 0 }
    moved[direction] += bytes
    this.#moved.set(session, moved)
  }
}

export class MiniSim {
  readonly frameBytes: number
  readonly pieces: PieceMap
  readonly nodes = new Map<string, SimNode>()
  readonly seed: number
  now = 1000
  readonly #random: Random
  #events: Array<{ at: number; order: number; run: () => void }> = []
  #order = 0
  #nextSession = 1

  /** @param frameBytes small ones where links are slow */
  constructor(sizes: readonly number[], seed: number, frameBytes = FRAME_BYTES) {
    this.frameBytes = frameBytes
    this.pieces = pieceMap(sizes)
    this.seed = seed
    this.#random = seededRandom(seed)
  }

  add(init: SimNodeInit): SimNode {
    const node = new SimNode(this, init, seededRandom(this.#random.below(2 ** 32)))
    this.nodes.set(init.id, node)
    const tick = () => {
      if (!node.alive) return
      node.tick()
      this.after(TICK_MS, tick)
    }
    this.after(this.#random.below(TICK_MS), tick)
    return node
  }

  after(ms: number, run: () => void): void {
    const event = { at: this.now + ms, order: this.#order++, run }
    let low = 0
    let high = this.#events.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const other = this.#events[middle]
      if (other !== undefined && (other.at > event.at || (other.at === event.at && other.order > event.order))) {
        low = middle + 1
      } else high = middle
    }
    // sorted latest first, so that the next is popped from the end
    this.#events.splice(low, 0, event)
  }

  dial(from: SimNode, peerId: string): void {
    const to = this.nodes.get(peerId)
    this.after(LATENCY_MS * 2, () => {
      if (!from.alive) return
      if (to === undefined || !to.alive || to === from || to.banned.has(from.init.id) || from.banned.has(peerId)) {
        from.post({ type: 'dialFailed', peerId })
        return
      }
      const local = this.#nextSession++
      const remote = this.#nextSession++
      from.links.set(local, { to, remote })
      to.links.set(remote, { to: from, remote: local })
      from.post({ type: 'sessionOpened', session: local, peerId, outbound: true })
      to.post({ type: 'sessionOpened', session: remote, peerId: from.init.id, outbound: false })
    })
  }

  close(node: SimNode, session: SessionId): void {
    const link = node.links.get(session)
    node.closed(session)
    if (link !== undefined) this.after(LATENCY_MS, () => link.to.closed(link.remote))
  }

  kill(node: SimNode): void {
    node.alive = false
    for (const [, link] of node.links) this.after(LATENCY_MS, () => link.to.closed(link.remote))
    node.links.clear()
  }

  /** Runs until the condition holds; false when it does not within `ms` of virtual time. */
  runUntil(done: () => boolean, ms: number): boolean {
    const end = this.now + ms
    while (!done()) {
      const event = this.#events.pop()
      if (event === undefined || event.at > end) {
        if (event !== undefined) this.#events.push(event)
        this.now = end
        return done()
      }
      this.now = event.at
      event.run()
    }
    return true
  }
}
