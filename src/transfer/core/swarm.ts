/**
 * The swarm of one root: takes one input at a time and returns its actions; knows no clock, no network and no bytes. The
 * parts: Membership (who is there), PeerMessages (what they say), NodeMessages (the manifest), and once that is known the
 * PieceExchange (what we fetch and give). Here inputs are told apart and given to the parts in order.
 */
import type { Random } from '../../base/random.ts'
import { KIB, SECOND_MS } from '../../base/units.ts'
import { FEATURE_LARGE_FRAMES, FEATURE_PLACES, type Have } from '../protocol/messages.ts'
import { DEFAULT_CONFIG, type SwarmConfig } from './config.ts'
import { Membership } from './membership.ts'
import { NodeMessages } from './node-messages.ts'
import { MAX_HAVE_BITFIELDS, PeerMessages } from './peer-messages.ts'
import { PieceExchange } from './piece-exchange.ts'
import type { Session } from './session.ts'
import { type SwarmSnapshot, snapshotOf } from './snapshot.ts'
import type { SwarmContext } from './swarm-context.ts'
import type { Action, Input, Priorities, SessionId } from './swarm-io.ts'

/**
 * With next to nothing for so long a fetch dials more than it has room for: those it has may have nothing that it lacks,
 * or give just so much that nobody else is asked.
 */
const STARVED_MS = 10 * SECOND_MS
/** From all together; less is next to nothing, unless a request was answered in full. */
const FED_BYTES = 16 * KIB

export class Swarm {
  readonly #root: Uint8Array
  readonly #config: SwarmConfig
  readonly #context: SwarmContext
  readonly #members: Membership
  readonly #nodes: NodeMessages
  readonly #messages: PeerMessages
  /** Undefined while the manifest is not known. */
  #exchange: PieceExchange | undefined
  #paused: boolean
  #priorities: Priorities = { ranges: [], onlyThese: false }
  #actions: Action[] = []
  #now = 0
  /** When something came last, or nothing was to come. */
  #fedAt: number | undefined
  /** Came since then. */
  #crumbs = 0

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
      onOpened: session => this.#opened(session),
      onGone: session => this.#gone(session)
    })
    this.#context = {
      config: this.#config,
      random: init.random,
      follows: rule => !this.#config.without.includes(rule),
      sessions: this.#members.sessions,
      emit,
      send: (session, message) => emit({ type: 'send', session: session.id, message }),
      end: (session, code, message) => this.#members.end(session, code, message, this.#now),
      ban: (peerId, reason) => this.#members.ban(peerId, reason, this.#now)
    }
    this.#nodes = new NodeMessages(this.#context)
    this.#messages = new PeerMessages({
      root: init.root,
      context: this.#context,
      members: this.#members,
      nodes: this.#nodes,
      exchange: () => this.#exchange,
      onPeersHeard: () => this.#dial()
    })
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
      picker: this.#exchange?.downloads.picker,
      nodesKnown: this.#exchange?.nodeCount ?? this.#nodes.known,
      peersKnown: this.#members.peersKnown,
      dialsPending: this.#members.dialsPending(now),
      paused: this.#paused,
      now
    })
  }

  #take(input: Input): void {
    switch (input.type) {
      case 'sessionOpened':
        this.#members.open(input, this.#now, this.#isStarved)
        return
      case 'sessionClosed':
        this.#withSession(input.session, session => this.#members.forget(session, undefined, this.#now))
        return
      case 'message':
        this.#withSession(input.session, session => this.#messages.take(session, input.message, this.#now))
        return
      case 'manifestReady':
        this.#load(input)
        return
      case 'nodesAccepted':
        // none of them may be new
        if (input.complete || input.known > this.#nodes.known) this.#fed()
        if (this.#exchange === undefined && !input.complete) this.#nodes.accepted(input.session, input.known, this.#now)
        return
      case 'nodesFalse':
        this.#withSession(input.session, session => this.#context.ban(session.peerId, 'a DAG node was false'))
        return
      case 'requestCompleted':
        this.#withSession(input.session, session => {
          session.lastHeardAt = this.#now
          this.#fed()
          this.#exchange?.downloads.requests.completed(session, input.id, this.#now)
        })
        return
      case 'pieceVerified':
        this.#exchange?.verified(input.piece, this.#now)
        return
      case 'pieceFalse':
        this.#exchange?.failed(input.piece, this.#now)
        return
      case 'piecesLost':
        if (this.#exchange?.lost(input.pieces, this.#now) === true) this.#members.wake(this.#now)
        return
      case 'uploadEnded':
        this.#withSession(input.session, session => {
          this.#exchange?.serving.ended(session, input.id, input.sentBytes, this.#now)
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
        this.#members.dialFailed(input, this.#now)
        this.#dial()
        return
      case 'prioritiesSet':
        this.#priorities = input
        this.#exchange?.prioritise(input, this.#now)
        this.#members.wake(this.#now)
        this.#dial()
        return
      case 'fetchPaused':
        this.#paused = input.paused
        this.#exchange?.downloads.setPaused(input.paused, this.#now)
        if (!input.paused) this.#members.wake(this.#now)
        this.#dial()
        return
    }
  }

  // sessions

  #opened(session: Session): void {
    this.#context.send(session, {
      type: 'hello',
      root: this.#root,
      features: FEATURE_LARGE_FRAMES | (this.#config.places ? FEATURE_PLACES : 0),
      manifest: this.#exchange !== undefined,
      have: this.#ownHave(),
      maxRequests: this.#config.maxRequests,
      maxRequestBytes: this.#config.maxRequestBytes
    })
  }

  #gone(session: Session): void {
    this.#nodes.gone(session.id)
    if (this.#exchange !== undefined) this.#exchange.gone(session, this.#now)
    else this.#nodes.ask(this.#now)
    this.#dial()
  }

  // the manifest

  #load({ pieces, nodeCount, have }: Extract<Input, { type: 'manifestReady' }>): void {
    const before = this.#exchange
    if (before !== undefined) for (const session of this.#members.sessions.values()) before.suspend(session)
    const exchange = new PieceExchange(this.#context, {
      pieces,
      nodeCount,
      have,
      paused: this.#paused
    })
    this.#exchange = exchange
    // before sessions join: those that place offer at once
    exchange.downloads.setWanted(this.#priorities)
    const ends: Array<() => void> = []
    for (const session of [...this.#members.sessions.values()]) {
      session.haveBitfieldsSent += 1
      if (session.haveBitfieldsSent > MAX_HAVE_BITFIELDS) {
        // the hello of the next session says it, which comes in a moment
        ends.push(() =>
          this.#context.end(session, 'stopping', 'what this node holds changed too often for one session')
        )
        continue
      }
      this.#context.send(session, { type: 'haveBitfield', have: this.#ownHave() })
      if (!session.greeted) continue
      if (before === undefined && !session.materialise(pieces.count)) {
        ends.push(() => this.#context.end(session, 'protocol', 'pieces that do not fit the root'))
      } else exchange.join(session, this.#now)
    }
    // when all others know what is held: with one that ends they are asked for more, and told of that
    for (const end of ends) end()
    exchange.prioritise(this.#priorities, this.#now)
    exchange.serving.fill(this.#now)
    this.#dial()
  }

  #ownHave(): Have {
    return this.#exchange?.have ?? { kind: 'none' }
  }

  // time

  #tick({ moved, heldBack, upLimit }: Extract<Input, { type: 'tick' }>): void {
    const received = new Set<SessionId>()
    for (const { down } of moved) this.#crumbs += down
    if (heldBack?.length || this.#crumbs >= FED_BYTES) this.#fed()
    for (const { session: id, down, up } of moved) {
      const session = this.#members.sessions.get(id)
      if (session === undefined) continue
      session.moved(down, up, this.#now)
      if (down > 0 && session.isLively(down)) received.add(id)
    }
    this.#exchange?.tick(this.#now)
    const { downloads, serving } = this.#exchange ?? {}
    for (const session of [...this.#members.sessions.values()]) {
      const isHeldBack = heldBack?.includes(session.id) === true
      if (isHeldBack) session.lastHeardAt = this.#now
      downloads?.requests.tick(session, received.has(session.id), isHeldBack, this.#now)
      this.#members.checkLife(session, downloads?.picker.have.isFull === true, this.#now)
    }
    serving?.placer.limited(upLimit)
    serving?.tick(downloads?.isLeeching !== true, this.#now)
    downloads?.requests.pumpAll(this.#now)
    if (this.#exchange === undefined) this.#nodes.ask(this.#now)
    for (const session of this.#members.sessions.values()) this.#members.exchange(session, this.#now)
    this.#dial()
  }

  #fed(): void {
    this.#fedAt = this.#now
    this.#crumbs = 0
  }

  #dial(): void {
    const isFetching = this.#exchange?.downloads.isLeeching ?? !this.#paused
    if (!isFetching) this.#fedAt = undefined
    else {
      this.#fedAt ??= this.#now
      this.#members.dial(this.#now, this.#isStarved)
    }
  }

  get #isStarved(): boolean {
    return this.#fedAt !== undefined && this.#now - this.#fedAt >= STARVED_MS
  }

  #withSession(id: SessionId, run: (session: Session) => void): void {
    const session = this.#members.sessions.get(id)
    if (session !== undefined) run(session)
  }
}
