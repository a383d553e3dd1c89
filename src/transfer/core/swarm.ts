/**
 * The swarm of one root: who is there, what they said, and what to do about it. Takes one input at a time and returns its
 * actions; knows no clock, no network and no bytes. The parts: Downloads (what we ask for), Serving (what we give),
 * ManifestExchange, Pex, PeerPool. This is the one place where sessions begin and end and messages are judged.
 *
 * Rules of the protocol that are enforced here: docs/protocol.md.
 */
import type { Random } from '../../base/random.ts'
import { MINUTE_MS, SECOND_MS } from '../../base/units.ts'
import type { Bitfield } from '../../content/bitfield.ts'
import type { PieceMap } from '../../content/piece-map.ts'
import { MAX_NODES_PER_REQUEST } from '../protocol/limits.ts'
import type { GoodbyeCode, Have, Message, PexPeer } from '../protocol/messages.ts'
import { DEFAULT_CONFIG, type SwarmConfig } from './config.ts'
import { Downloads } from './downloads.ts'
import { HaveAnnouncer } from './have-announcer.ts'
import { ManifestExchange } from './manifest-exchange.ts'
import { PeerPool } from './peer-pool.ts'
import { Pex } from './pex.ts'
import { PieceSet, toRuns } from './piece-set.ts'
import { Serving } from './serving.ts'
import { Session } from './session.ts'
import { type SwarmSnapshot, snapshotOf } from './snapshot.ts'
import type { SwarmContext } from './swarm-context.ts'
import type { Action, Input, SessionId } from './swarm-io.ts'

/** Nodes that one peer may ask for in its session: the whole manifest so many times. */
const NODE_REQUESTS_FACTOR = 4

interface Loaded {
  readonly pieces: PieceMap
  readonly nodeCount: number
  readonly downloads: Downloads
  readonly serving: Serving
}

type MessageOf<T extends Message['type']> = Extract<Message, { type: T }>

export class Swarm {
  readonly #root: Uint8Array
  readonly #selfId: string
  readonly #config: SwarmConfig
  readonly #sessions = new Map<SessionId, Session>()
  readonly #context: SwarmContext
  readonly #pool: PeerPool
  readonly #pex = new Pex()
  readonly #manifest: ManifestExchange
  readonly #haves = new HaveAnnouncer()
  /** Nodes that a session asked for. */
  readonly #nodesAsked = new Map<SessionId, number>()
  #loaded: Loaded | undefined
  #paused: boolean
  #priorities: Extract<Input, { type: 'prioritiesSet' }> | undefined
  /** `total` of the last answer with nodes, by session. */
  #nodesTotal = new Map<SessionId, number>()
  #actions: Action[] = []
  #now = 0

  constructor(init: { root: Uint8Array; selfId: string; random: Random; config?: Partial<SwarmConfig> }) {
    this.#root = init.root
    this.#selfId = init.selfId
    this.#config = { ...DEFAULT_CONFIG, ...init.config }
    this.#paused = !this.#config.fetch
    this.#pool = new PeerPool(init.selfId)
    this.#manifest = new ManifestExchange(this.#config.manifestTimeoutMs)
    this.#context = {
      config: this.#config,
      random: init.random,
      sessions: this.#sessions,
      emit: action => this.#actions.push(action),
      send: (session, message) => this.#actions.push({ type: 'send', session: session.id, message }),
      end: (session, code, message) => this.#end(session, code, message),
      ban: (peerId, reason) => this.#ban(peerId, reason)
    }
  }

  /** @param now milliseconds, never less than before. The actions are to be carried out in order. */
  handle(input: Input, now: number): Action[] {
    this.#now = Math.max(this.#now, now)
    this.#take(input)
    const actions = this.#actions
    this.#actions = []
    return actions
  }

  snapshot(now: number): SwarmSnapshot {
    return snapshotOf({
      sessions: this.#sessions.values(),
      picker: this.#loaded?.downloads.picker,
      nodesKnown: this.#loaded?.nodeCount ?? this.#manifest.known,
      peersKnown: this.#pool.size,
      dialsPending: this.#pool.pending(now),
      paused: this.#paused,
      now
    })
  }

  /** Payload bytes a second from and to the session's peer; zeros when it is over. */
  sessionRates(session: SessionId, now: number): { up: number; down: number } {
    const found = this.#sessions.get(session)
    return { up: found?.up.rate(now) ?? 0, down: found?.down.rate(now) ?? 0 }
  }

  #take(input: Input): void {
    switch (input.type) {
      case 'sessionOpened':
        this.#opened(input)
        return
      case 'sessionClosed':
        this.#withSession(input.session, session => this.#forget(session, 5 * SECOND_MS))
        return
      case 'message':
        this.#withSession(input.session, session => this.#message(session, input.message))
        return
      case 'manifestReady':
        this.#load(input.pieces, input.nodeCount, input.have)
        return
      case 'nodesAccepted':
        this.#nodesAccepted(input.session, input.known, input.complete)
        return
      case 'nodesFalse':
        this.#withSession(input.session, session => this.#ban(session.peerId, 'a DAG node was false'))
        return
      case 'requestCompleted':
        this.#withSession(input.session, session => {
          session.lastHeardAt = this.#now
          this.#loaded?.downloads.completed(session, input.id, this.#now)
        })
        return
      case 'pieceVerified':
        this.#verified(input.piece)
        return
      case 'pieceFalse':
        this.#loaded?.downloads.failed(input.piece, this.#now)
        return
      case 'pieceLost':
        this.#lost(input.piece)
        return
      case 'uploadEnded':
        this.#withSession(input.session, session => {
          this.#loaded?.serving.ended(session, input.id, input.sentBytes)
        })
        return
      case 'tick':
        this.#tick(input)
        return
      case 'peersFound':
        for (const peer of input.peers) this.#pool.add(peer, 'found', this.#now)
        this.#dial()
        return
      case 'dialFailed':
        this.#pool.dialFailed(input.peerId, this.#now)
        this.#dial()
        return
      case 'prioritiesSet':
        this.#priorities = input
        this.#loaded?.downloads.prioritise(input.ranges, input.onlyThese, this.#now)
        return
      case 'fetchPaused':
        this.#paused = input.paused
        this.#loaded?.downloads.setPaused(input.paused, this.#now)
        this.#dial()
        return
    }
  }

  // sessions

  #opened(input: Extract<Input, { type: 'sessionOpened' }>): void {
    if (this.#sessions.has(input.session)) return
    const session = new Session({ ...input, id: input.session, now: this.#now })
    this.#pool.connected(input.peerId, this.#now)
    if (input.addrs !== undefined) {
      this.#pool.add({ id: input.peerId, addrs: input.addrs, seeder: false }, 'pex', this.#now)
    }
    const twin = [...this.#sessions.values()].find(other => other.peerId === input.peerId)
    this.#sessions.set(session.id, session)
    if (input.peerId === this.#selfId) {
      this.#end(session, 'duplicate', 'this is the same node')
      return
    }
    if (twin !== undefined) {
      const ended = this.#loserOf(twin, session)
      this.#end(ended, 'duplicate', 'another session with this peer is open')
      if (ended === session) return
    }
    if (this.#sessions.size > this.#config.maxSessions) {
      this.#end(session, 'full', `this node has ${this.#config.maxSessions} peers for that root already`)
      return
    }
    this.#context.send(session, {
      type: 'hello',
      root: this.#root,
      features: 0,
      manifest: this.#loaded !== undefined,
      have: this.#ownHave(),
      maxRequests: this.#config.maxRequests,
      maxRequestBytes: this.#config.maxRequestBytes
    })
  }

  /** Both ends come to the same result: the session stays that the peer with the lesser ID opened; else the newer one. */
  #loserOf(older: Session, newer: Session): Session {
    const opener = (session: Session) => (session.outbound ? this.#selfId : session.peerId)
    if (opener(older) === opener(newer)) return older
    return opener(older) < opener(newer) ? newer : older
  }

  #end(session: Session, code: GoodbyeCode, message: string): void {
    if (this.#sessions.get(session.id) !== session) return
    this.#actions.push({ type: 'disconnect', session: session.id, code, message })
    this.#forget(session, waitAfter(code))
  }

  #ban(peerId: string, reason: string): void {
    this.#actions.push({ type: 'ban', peerId, reason })
    this.#pool.ban(peerId, this.#now)
    for (const session of [...this.#sessions.values()]) if (session.peerId === peerId) this.#forget(session, 0)
  }

  /** The session is over. @param waitMs how long its peer is not dialled */
  #forget(session: Session, waitMs: number): void {
    this.#sessions.delete(session.id)
    this.#pex.gone(session.id)
    this.#manifest.gone(session.id)
    this.#nodesAsked.delete(session.id)
    this.#nodesTotal.delete(session.id)
    const twin = [...this.#sessions.values()].some(other => other.peerId === session.peerId)
    if (!twin) this.#pool.disconnected(session.peerId, this.#now, waitMs)
    if (this.#loaded !== undefined) {
      if (session.greeted) this.#loaded.downloads.leave(session)
      this.#loaded.serving.gone(session, this.#now)
      this.#loaded.downloads.pumpAll(this.#now)
    } else this.#askForNodes()
    this.#dial()
  }

  // messages

  #message(session: Session, message: Message): void {
    session.lastHeardAt = this.#now
    if (message.type === 'goodbye') {
      this.#forget(session, waitAfter(message.code))
      return
    }
    if ((message.type === 'hello') === session.greeted) {
      this.#end(session, 'protocol', session.greeted ? 'a second hello' : `${message.type} before hello`)
      return
    }
    switch (message.type) {
      case 'hello':
        this.#hello(session, message)
        return
      case 'haveBitfield':
        this.#haveBitfield(session, message.have)
        return
      case 'have':
      case 'lost':
        this.#haveRuns(session, message)
        return
      case 'interested':
      case 'notInterested':
        session.peerInterested = message.type === 'interested'
        session.lastInterestAt = this.#now
        this.#loaded?.serving.interestChanged(session, this.#now)
        return
      case 'choke':
        session.peerChoking = true
        this.#loaded?.downloads.choked(session)
        this.#loaded?.downloads.pumpAll(this.#now)
        return
      case 'unchoke':
        session.peerChoking = false
        this.#loaded?.downloads.pump(session, this.#now)
        return
      case 'offer':
      case 'suggest':
        this.#offered(session, message)
        return
      case 'request':
        if (this.#loaded !== undefined) this.#loaded.serving.request(session, message, this.#now)
        else this.#context.send(session, { type: 'reject', id: message.id, code: 'notHeld' })
        return
      case 'cancel':
        this.#loaded?.serving.cancel(session, message.id)
        return
      case 'reject':
        this.#loaded?.downloads.rejected(session, message.id, message.code, this.#now)
        return
      case 'nodeRequest':
        this.#nodeRequest(session, message)
        return
      case 'nodes':
        this.#nodes(session, message)
        return
      case 'pex':
        for (const peer of this.#pex.received(session.id, message)) this.#pool.add(peer, 'pex', this.#now)
        this.#dial()
        return
    }
  }

  #hello(session: Session, hello: MessageOf<'hello'>): void {
    if (!equal(hello.root, this.#root)) {
      this.#end(session, 'protocol', 'a hello for another root')
      return
    }
    if (!hello.manifest && hello.have.kind !== 'none') {
      this.#end(session, 'protocol', 'pieces without a manifest')
      return
    }
    session.hasManifest = hello.manifest
    session.maxRequests = hello.maxRequests
    session.maxRequestBytes = hello.maxRequestBytes
    if (!session.setHave(hello.have, this.#loaded?.pieces.count)) {
      this.#end(session, 'protocol', 'a bitfield that does not fit the root')
      return
    }
    session.greeted = true
    this.#pex.joined(session.id)
    this.#loaded?.downloads.join(session)
    this.#loaded?.downloads.pump(session, this.#now)
    this.#exchangePeers(session)
    this.#askForNodes()
  }

  #haveBitfield(session: Session, have: Have): void {
    this.#loaded?.downloads.cancelAll(session)
    this.#loaded?.downloads.leave(session)
    session.hasManifest = true
    if (!session.setHave(have, this.#loaded?.pieces.count)) {
      this.#end(session, 'protocol', 'a bitfield that does not fit the root')
      return
    }
    this.#loaded?.downloads.join(session)
    this.#loaded?.downloads.pumpAll(this.#now)
    this.#askForNodes()
  }

  #haveRuns(session: Session, { type, runs }: MessageOf<'have' | 'lost'>): void {
    if (!session.hasManifest) {
      this.#end(session, 'protocol', 'pieces without a manifest')
      return
    }
    const count = this.#loaded?.pieces.count
    const total = runs.reduce((sum, run) => sum + run.count, 0)
    if (count !== undefined && (total > count || runs.some(run => run.first + run.count > count))) {
      this.#end(session, 'protocol', 'pieces that the root does not have')
      return
    }
    for (const { first, count: length } of runs) {
      const end = first + length
      if (this.#loaded === undefined) {
        if (type === 'have') session.pendingHave.add(first, length)
        else session.pendingHave.remove(first, length)
      } else if (type === 'have') {
        this.#loaded.downloads.gained(session, first, end)
        this.#loaded.serving.gained(session, first, end)
      } else this.#loaded.downloads.withdrawn(session, first, end)
    }
    if (type === 'have') this.#loaded?.downloads.pump(session, this.#now)
  }

  #offered(session: Session, { type, pieces }: MessageOf<'offer' | 'suggest'>): void {
    const { pieces: map, downloads } = this.#loaded ?? {}
    if (map === undefined || downloads === undefined) return
    if (pieces.some(piece => piece >= map.count)) {
      this.#end(session, 'protocol', 'pieces that the root does not have')
      return
    }
    downloads.offered(session, pieces, type === 'offer')
    downloads.pump(session, this.#now)
  }

  // the manifest

  #load(pieces: PieceMap, nodeCount: number, have: Bitfield): void {
    const before = this.#loaded
    if (before !== undefined) {
      for (const session of this.#sessions.values()) {
        before.downloads.cancelAll(session)
        before.downloads.leave(session)
      }
    }
    const downloads = new Downloads(this.#context, {
      pieces,
      have: PieceSet.fromBitfield(have),
      paused: this.#paused
    })
    this.#loaded = { pieces, nodeCount, downloads, serving: new Serving(this.#context, pieces, downloads.picker) }
    for (const session of [...this.#sessions.values()]) {
      this.#context.send(session, { type: 'haveBitfield', have: this.#ownHave() })
      if (!session.greeted) continue
      if (before === undefined && !session.materialise(pieces.count)) {
        this.#end(session, 'protocol', 'pieces that do not fit the root')
      } else downloads.join(session)
    }
    if (this.#priorities !== undefined) {
      downloads.prioritise(this.#priorities.ranges, this.#priorities.onlyThese, this.#now)
    }
    downloads.start(this.#now)
    this.#loaded.serving.fill(this.#now)
    this.#dial()
  }

  #askForNodes(): void {
    if (this.#loaded !== undefined) return
    const holders: SessionId[] = []
    for (const session of this.#sessions.values()) if (session.greeted && session.hasManifest) holders.push(session.id)
    const request = this.#manifest.next(holders, this.#now)
    const session = request === undefined ? undefined : this.#sessions.get(request.session)
    if (request === undefined || session === undefined) return
    this.#context.send(session, { type: 'nodeRequest', first: request.first, count: request.count })
  }

  #nodes(session: Session, { first, total, blocks }: MessageOf<'nodes'>): void {
    if (this.#loaded !== undefined) return
    if (blocks.length > 0) {
      this.#nodesTotal.set(session.id, total)
      return
    }
    // not held, or past the end of what it has
    if (first >= this.#manifest.known) this.#manifest.failed(session.id, this.#now)
    this.#askForNodes()
  }

  #nodesAccepted(id: SessionId, known: number, complete: boolean): void {
    this.#manifest.accepted(known, this.#now)
    if (complete || this.#loaded !== undefined) return
    const total = this.#nodesTotal.get(id)
    if (total !== undefined && known >= total) this.#manifest.ended(id, this.#now)
    this.#askForNodes()
  }

  #nodeRequest(session: Session, { first, count }: MessageOf<'nodeRequest'>): void {
    const { nodeCount } = this.#loaded ?? {}
    if (nodeCount === undefined || first >= nodeCount) {
      this.#context.send(session, { type: 'nodes', first, total: nodeCount ?? 0, blocks: [] })
      return
    }
    const asked = (this.#nodesAsked.get(session.id) ?? 0) + Math.min(count, nodeCount - first)
    if (asked > nodeCount * NODE_REQUESTS_FACTOR + MAX_NODES_PER_REQUEST) {
      this.#end(session, 'limit', 'the manifest was asked for too often')
      return
    }
    this.#nodesAsked.set(session.id, asked)
    this.#actions.push({ type: 'sendNodes', session: session.id, first, count: Math.min(count, nodeCount - first) })
  }

  // pieces

  #verified(piece: number): void {
    if (this.#loaded === undefined || this.#loaded.pieces.index(piece) === undefined) return
    const isNew = this.#loaded.downloads.verified(piece)
    if (isNew && this.#haves.add(piece)) this.#announce()
  }

  #lost(piece: number): void {
    if (this.#loaded === undefined || this.#loaded.pieces.index(piece) === undefined) return
    const { downloads, serving } = this.#loaded
    const wasHeld = downloads.picker.have.has(piece)
    downloads.lost(piece, this.#now)
    if (!wasHeld) return
    serving.lost(piece)
    if (this.#haves.withdraw(piece)) return
    for (const session of this.#sessions.values()) {
      this.#context.send(session, { type: 'lost', runs: toRuns([piece]) })
    }
  }

  #announce(): void {
    for (const message of this.#haves.take()) {
      for (const session of this.#sessions.values()) this.#context.send(session, message)
    }
  }

  #ownHave(): Have {
    const have = this.#loaded?.downloads.picker.have
    if (have === undefined || (have.isEmpty && have.length > 0)) return { kind: 'none' }
    return have.isFull ? { kind: 'all' } : { kind: 'bitfield', bytes: have.toBitfield().bytes }
  }

  // time

  #tick({ moved, heldBack }: Extract<Input, { type: 'tick' }>): void {
    const received = new Set<SessionId>()
    for (const { session: id, down, up } of moved) {
      const session = this.#sessions.get(id)
      if (session === undefined) continue
      session.down.add(down, this.#now)
      session.up.add(up, this.#now)
      session.downBytes += down
      session.upBytes += up
      session.turnBytes += up
      if (down > 0) received.add(id)
      session.lastHeardAt = this.#now
    }
    this.#announce()
    const { downloads, serving } = this.#loaded ?? {}
    for (const session of [...this.#sessions.values()]) {
      downloads?.tick(session, received.has(session.id), heldBack?.includes(session.id) === true, this.#now)
      this.#checkLife(session)
    }
    serving?.tick(downloads?.isLeeching !== true, this.#now)
    downloads?.pumpAll(this.#now)
    this.#askForNodes()
    for (const session of this.#sessions.values()) this.#exchangePeers(session)
    this.#dial()
  }

  /** Ends sessions that are of no use: silent ones, and those of two seeders. */
  #checkLife(session: Session): void {
    const interest = session.amInterested || session.peerInterested
    if (interest) session.lastInterestAt = this.#now
    if (interest && this.#now - session.lastHeardAt >= this.#config.livenessMs) {
      this.#end(session, 'idle', 'nothing was heard of this peer')
    } else if (
      this.#loaded?.downloads.picker.missing.isEmpty === true &&
      session.isSeeder &&
      this.#now - session.lastInterestAt >= this.#config.idleMs
    ) {
      this.#end(session, 'idle', 'both sides have everything')
    }
  }

  #exchangePeers(session: Session): void {
    if (!session.greeted) return
    const others: PexPeer[] = []
    for (const other of this.#sessions.values()) {
      if (!other.greeted || other.peerId === session.peerId) continue
      others.push({ id: other.peerId, addrs: this.#pool.addrsOf(other.peerId), seeder: other.isSeeder })
    }
    const message = this.#pex.due(session.id, others, this.#now)
    if (message !== undefined) this.#context.send(session, message)
  }

  #dial(): void {
    if (this.#loaded === undefined ? this.#paused : !this.#loaded.downloads.isLeeching) return
    const pending = this.#pool.pending(this.#now)
    const room = Math.min(
      this.#config.maxPendingDials - pending,
      this.#config.maxDialled - this.#sessions.size - pending
    )
    for (const peer of this.#pool.takeDials(room, this.#now)) this.#actions.push({ type: 'dial', peer })
  }

  #withSession(id: SessionId, run: (session: Session) => void): void {
    const session = this.#sessions.get(id)
    if (session !== undefined) run(session)
  }
}

/** How long a peer is not dialled after a session ended so. */
function waitAfter(code: GoodbyeCode): number {
  switch (code) {
    case 'duplicate':
      return 5 * SECOND_MS
    case 'stopping':
    case 'notFound':
    case 'other':
      return 30 * SECOND_MS
    case 'full':
      return MINUTE_MS
    case 'idle':
    case 'protocol':
    case 'limit':
    case 'badData':
      return 10 * MINUTE_MS
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && a.every((byte, at) => byte === b[at])
}
