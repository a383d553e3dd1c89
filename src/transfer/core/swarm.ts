/**
 * The swarm of one root: takes one input at a time and returns its actions; knows no clock, no network and no bytes. The
 * parts: Membership (who is there), NodeMessages (the manifest), Downloads (what we ask for), Serving (what we give). Here
 * inputs and messages are told apart, judged by the rules of docs/protocol.md, and given to the parts in order.
 */
import type { Random } from '../../base/random.ts'
import type { Bitfield } from '../../content/bitfield.ts'
import type { PieceMap } from '../../content/piece-map.ts'
import type { Have, Message } from '../protocol/messages.ts'
import { DEFAULT_CONFIG, type SwarmConfig } from './config.ts'
import { Downloads } from './downloads.ts'
import { HaveAnnouncer } from './have-announcer.ts'
import { Membership } from './membership.ts'
import { NodeMessages } from './node-messages.ts'
import { PieceSet, toRuns } from './piece-set.ts'
import { Serving } from './serving.ts'
import type { Session } from './session.ts'
import { type SwarmSnapshot, snapshotOf } from './snapshot.ts'
import type { SwarmContext } from './swarm-context.ts'
import type { Action, Input, SessionId } from './swarm-io.ts'

/** `haveBitfield` messages in one session: each costs the other side a look at every piece. */
const MAX_HAVE_BITFIELDS = 16

/** What exists once the manifest is known. */
interface Loaded {
  readonly pieces: PieceMap
  readonly nodeCount: number
  readonly downloads: Downloads
  readonly serving: Serving
}

type MessageOf<T extends Message['type']> = Extract<Message, { type: T }>

export class Swarm {
  readonly #root: Uint8Array
  readonly #config: SwarmConfig
  readonly #context: SwarmContext
  readonly #members: Membership
  readonly #nodes: NodeMessages
  readonly #haves = new HaveAnnouncer()
  #loaded: Loaded | undefined
  #paused: boolean
  #priorities: Extract<Input, { type: 'prioritiesSet' }> | undefined
  #actions: Action[] = []
  #now = 0

  constructor(init: { root: Uint8Array; selfId: string; random: Random; config?: Partial<SwarmConfig> }) {
    this.#root = init.root
    this.#config = { ...DEFAULT_CONFIG, ...init.config }
    this.#paused = !this.#config.fetch
    const emit = (action: Action) => {
      this.#actions.push(action)
    }
    this.#members = new Membership({
      selfId: init.selfId,
      config: this.#config,
      emit,
      onGone: session => this.#gone(session)
    })
    this.#context = {
      config: this.#config,
      random: init.random,
      sessions: this.#members.sessions,
      emit,
      send: (session, message) => emit({ type: 'send', session: session.id, message }),
      end: (session, code, message) => this.#members.end(session, code, message, this.#now),
      ban: (peerId, reason) => this.#members.ban(peerId, reason, this.#now)
    }
    this.#nodes = new NodeMessages(this.#context)
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
      sessions: this.#members.sessions.values(),
      picker: this.#loaded?.downloads.picker,
      nodesKnown: this.#loaded?.nodeCount ?? this.#nodes.known,
      peersKnown: this.#members.peersKnown,
      dialsPending: this.#members.dialsPending(now),
      paused: this.#paused,
      now
    })
  }

  /** Payload bytes a second from and to the session's peer; zeros when it is over. */
  sessionRates(session: SessionId, now: number): { up: number; down: number } {
    const found = this.#members.sessions.get(session)
    return { up: found?.up.rate(now) ?? 0, down: found?.down.rate(now) ?? 0 }
  }

  #take(input: Input): void {
    switch (input.type) {
      case 'sessionOpened':
        this.#opened(input)
        return
      case 'sessionClosed':
        this.#withSession(input.session, session => this.#members.forget(session, undefined, this.#now))
        return
      case 'message':
        this.#withSession(input.session, session => this.#message(session, input.message))
        return
      case 'manifestReady':
        this.#load(input.pieces, input.nodeCount, input.have)
        return
      case 'nodesAccepted':
        if (this.#loaded === undefined && !input.complete) this.#nodes.accepted(input.session, input.known, this.#now)
        return
      case 'nodesFalse':
        this.#withSession(input.session, session => this.#context.ban(session.peerId, 'a DAG node was false'))
        return
      case 'requestCompleted':
        this.#withSession(input.session, session => {
          session.lastHeardAt = this.#now
          this.#loaded?.downloads.requests.completed(session, input.id, this.#now)
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
        this.#members.found(input.peers, this.#now)
        this.#dial()
        return
      case 'dialFailed':
        this.#members.dialFailed(input.peerId, this.#now)
        this.#dial()
        return
      case 'prioritiesSet':
        this.#priorities = input
        this.#loaded?.downloads.prioritise(input.ranges, input.onlyThese, this.#now)
        this.#members.wake(this.#now)
        this.#dial()
        return
      case 'fetchPaused':
        this.#paused = input.paused
        this.#loaded?.downloads.setPaused(input.paused, this.#now)
        if (!input.paused) this.#members.wake(this.#now)
        this.#dial()
        return
    }
  }

  // sessions

  #opened(input: Extract<Input, { type: 'sessionOpened' }>): void {
    const session = this.#members.open(input, this.#now)
    if (session === undefined) return
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

  #gone(session: Session): void {
    this.#nodes.gone(session.id)
    if (this.#loaded !== undefined) {
      if (session.greeted) this.#loaded.downloads.leave(session)
      this.#loaded.serving.gone(session, this.#now)
      this.#loaded.downloads.requests.pumpAll(this.#now)
    } else this.#nodes.ask(this.#now)
    this.#dial()
  }

  // messages

  #message(session: Session, message: Message): void {
    session.lastHeardAt = this.#now
    if (message.type === 'goodbye') {
      this.#members.forget(session, message.code, this.#now)
      return
    }
    if ((message.type === 'hello') === session.greeted) {
      this.#context.end(session, 'protocol', session.greeted ? 'a second hello' : `${message.type} before hello`)
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
        this.#loaded?.downloads.requests.pumpAll(this.#now)
        return
      case 'unchoke':
        session.peerChoking = false
        this.#loaded?.downloads.requests.pump(session, this.#now)
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
        this.#loaded?.downloads.requests.rejected(session, message.id, message.code, this.#now)
        return
      case 'nodeRequest':
        this.#nodes.requested(session, message.first, message.count, this.#loaded?.nodeCount)
        return
      case 'nodes':
        if (this.#loaded === undefined) this.#nodes.answered(session, message, this.#now)
        return
      case 'pex':
        this.#members.heard(session, message, this.#now)
        this.#dial()
        return
    }
  }

  #hello(session: Session, hello: MessageOf<'hello'>): void {
    if (!equal(hello.root, this.#root)) {
      this.#context.end(session, 'protocol', 'a hello for another root')
      return
    }
    if (!hello.manifest && hello.have.kind !== 'none') {
      this.#context.end(session, 'protocol', 'pieces without a manifest')
      return
    }
    session.hasManifest = hello.manifest
    session.maxRequests = hello.maxRequests
    session.maxRequestBytes = hello.maxRequestBytes
    if (!session.setHave(hello.have, this.#loaded?.pieces.count)) {
      this.#context.end(session, 'protocol', 'a bitfield that does not fit the root')
      return
    }
    this.#members.greeted(session)
    this.#loaded?.downloads.join(session)
    this.#loaded?.downloads.requests.pump(session, this.#now)
    this.#members.exchange(session, this.#now)
    if (this.#loaded === undefined) this.#nodes.ask(this.#now)
  }

  #haveBitfield(session: Session, have: Have): void {
    session.haveBitfields += 1
    if (session.haveBitfields > MAX_HAVE_BITFIELDS) {
      this.#context.end(session, 'limit', 'its haves were told anew too often')
      return
    }
    this.#loaded?.downloads.requests.cancelAll(session)
    this.#loaded?.downloads.leave(session)
    session.hasManifest = true
    if (!session.setHave(have, this.#loaded?.pieces.count)) {
      this.#context.end(session, 'protocol', 'a bitfield that does not fit the root')
      return
    }
    this.#loaded?.downloads.join(session)
    this.#loaded?.downloads.requests.pumpAll(this.#now)
    if (this.#loaded === undefined) this.#nodes.ask(this.#now)
  }

  #haveRuns(session: Session, { type, runs }: MessageOf<'have' | 'lost'>): void {
    if (!session.hasManifest) {
      this.#context.end(session, 'protocol', 'pieces without a manifest')
      return
    }
    const count = this.#loaded?.pieces.count
    const total = runs.reduce((sum, run) => sum + run.count, 0)
    if (count !== undefined && (total > count || runs.some(run => run.first + run.count > count))) {
      this.#context.end(session, 'protocol', 'pieces that the root does not have')
      return
    }
    for (const { first, count: length } of runs) {
      const end = first + length
      if (this.#loaded === undefined) {
        if (type === 'have') session.pendingHave.add(first, length)
        else session.pendingHave.remove(first, length)
      } else if (type === 'have') {
        this.#loaded.downloads.interest.gained(session, first, end)
        this.#loaded.serving.gained(session, first, end)
      } else this.#loaded.downloads.interest.withdrawn(session, first, end)
    }
    if (type === 'have') this.#loaded?.downloads.requests.pump(session, this.#now)
  }

  #offered(session: Session, { type, pieces }: MessageOf<'offer' | 'suggest'>): void {
    const { pieces: map, downloads } = this.#loaded ?? {}
    if (map === undefined || downloads === undefined) return
    if (pieces.some(piece => piece >= map.count)) {
      this.#context.end(session, 'protocol', 'pieces that the root does not have')
      return
    }
    downloads.offered(session, pieces, type === 'offer')
    downloads.requests.pump(session, this.#now)
  }

  // the manifest

  #load(pieces: PieceMap, nodeCount: number, have: Bitfield): void {
    const before = this.#loaded
    if (before !== undefined) {
      for (const session of this.#members.sessions.values()) {
        before.downloads.requests.cancelAll(session)
        before.downloads.leave(session)
      }
    }
    const downloads = new Downloads(this.#context, {
      pieces,
      have: PieceSet.fromBitfield(have),
      paused: this.#paused
    })
    this.#loaded = { pieces, nodeCount, downloads, serving: new Serving(this.#context, pieces, downloads.picker) }
    for (const session of [...this.#members.sessions.values()]) {
      this.#context.send(session, { type: 'haveBitfield', have: this.#ownHave() })
      if (!session.greeted) continue
      if (before === undefined && !session.materialise(pieces.count)) {
        this.#context.end(session, 'protocol', 'pieces that do not fit the root')
      } else downloads.join(session)
    }
    if (this.#priorities !== undefined) {
      downloads.prioritise(this.#priorities.ranges, this.#priorities.onlyThese, this.#now)
    }
    downloads.start(this.#now)
    this.#loaded.serving.fill(this.#now)
    this.#dial()
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
    this.#members.wake(this.#now)
    serving.lost(piece)
    if (this.#haves.withdraw(piece)) return
    for (const session of this.#members.sessions.values()) {
      this.#context.send(session, { type: 'lost', runs: toRuns([piece]) })
    }
  }

  #announce(): void {
    for (const message of this.#haves.take()) {
      for (const session of this.#members.sessions.values()) this.#context.send(session, message)
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
      const session = this.#members.sessions.get(id)
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
    for (const session of [...this.#members.sessions.values()]) {
      downloads?.requests.tick(session, received.has(session.id), heldBack?.includes(session.id) === true, this.#now)
      this.#checkLife(session)
    }
    serving?.tick(downloads?.isLeeching !== true, this.#now)
    downloads?.requests.pumpAll(this.#now)
    if (this.#loaded === undefined) this.#nodes.ask(this.#now)
    for (const session of this.#members.sessions.values()) this.#members.exchange(session, this.#now)
    this.#dial()
  }

  /** Ends sessions that are of no use: silent ones, and those of two seeders. */
  #checkLife(session: Session): void {
    const interest = session.amInterested || session.peerInterested
    if (interest) session.lastInterestAt = this.#now
    if (interest && this.#now - session.lastHeardAt >= this.#config.livenessMs) {
      this.#context.end(session, 'idle', 'nothing was heard of this peer')
    } else if (
      this.#loaded?.downloads.picker.have.isFull === true &&
      session.isSeeder &&
      this.#now - session.lastInterestAt >= this.#config.idleMs
    ) {
      this.#context.end(session, 'idle', 'both sides have everything')
    }
  }

  #dial(): void {
    if (this.#loaded === undefined ? !this.#paused : this.#loaded.downloads.isLeeching) this.#members.dial(this.#now)
  }

  #withSession(id: SessionId, run: (session: Session) => void): void {
    const session = this.#members.sessions.get(id)
    if (session !== undefined) run(session)
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && a.every((byte, at) => byte === b[at])
}
