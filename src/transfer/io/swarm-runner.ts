/**
 * Runs the swarm core of one root: turns what happens on streams, disk and clock into inputs, and carries out every
 * action of an input before the next one. Nothing here decides; nothing in the core does I/O.
 */
import { combineSignals } from '../../base/abort-signals.ts'
import { ShoalError } from '../../base/errors.ts'
import { TypedEvents } from '../../base/typed-events.ts'
import { Swarm } from '../core/swarm.ts'
import type { Action, Input, Priorities } from '../core/swarm-io.ts'
import type { GoodbyeCode, Message, PexPeer } from '../protocol/messages.ts'
import { Downloads, type Request } from './downloads.ts'
import { dialReason, goodbyeReason, wasSent } from './end-reasons.ts'
import { FetchFacts } from './fetch-facts.ts'
import { NodeAnswers } from './node-answers.ts'
import type { PeerSession, SessionHandlers } from './peer-session.ts'
import { takePieces } from './piece-intake.ts'
import { RootLimits } from './root-limits.ts'
import type { ManifestSink, PeerSource, PieceStorage } from './seams.ts'
import type { SwarmHost } from './swarm-host.ts'
import { type Rates, Traffic } from './traffic.ts'

export interface SwarmRunnerEvents {
  /** The sink is complete: attach the storage. */
  'manifest:completed': undefined
  'piece:verified': { piece: number }
  /** Held pieces are no longer there: peers were told. */
  'pieces:lost': { pieces: readonly number[] }
  /** Bytes or nodes arrived, or a limit of our own holds requests back: this is no stall. */
  progressed: undefined
  /** Every wanted piece is held. */
  completed: undefined
  /** The storage could not write a piece. It is fetched again after `setFetching(true)`; until then nothing is. */
  unwritten: Error
  /** The fetch cannot go on: the root is malformed. */
  failed: Error
}

export class SwarmRunner {
  readonly root: Uint8Array
  readonly events = new TypedEvents<SwarmRunnerEvents>()
  readonly facts = new FetchFacts()
  readonly limits: RootLimits
  readonly #host: SwarmHost
  readonly #core: Swarm
  readonly #sessions = new Map<number, PeerSession>()
  readonly #downloads: Downloads
  readonly #traffic = new Traffic()
  readonly #inputs: Input[] = []
  readonly #nodeAnswers = new NodeAnswers()
  readonly #stopping = new AbortController()
  readonly #background = new Set<Promise<unknown>>()
  /** Peers that are dialled, or will be in their turn: the core takes a dial for lost that waits for long. */
  readonly #dialling = new Set<string>()
  #sink: ManifestSink | undefined
  #storage: PieceStorage | undefined
  #search: AbortController | undefined
  #handling = false

  constructor(host: SwarmHost, root: Uint8Array) {
    this.root = root
    this.#host = host
    this.limits = new RootLimits(host.limits, host.init.limitsOf?.(root) ?? {})
    this.#downloads = new Downloads(host.pool, host.gate, this.limits.down)
    this.#core = new Swarm({ root, selfId: host.init.selfId, random: host.init.random })
  }

  get storage(): PieceStorage | undefined {
    return this.#storage
  }

  get sessions(): PeerSession[] {
    return [...this.#sessions.values()]
  }

  get sentBytes(): number {
    return this.#traffic.sentBytes
  }

  get receivedBytes(): number {
    return this.#traffic.receivedBytes
  }

  rates(): Rates {
    return this.#traffic.rates(this.#now())
  }

  sessionRates(session: number): Rates {
    return this.#traffic.sessionRates(session, this.#now())
  }

  /** Asks the swarm for the DAG nodes of the root. `manifest:completed` follows. */
  fetchManifest(sink: ManifestSink): void {
    this.#sink = sink
  }

  /**
   * The manifest is known and this is where its bytes lie. What it lacks is fetched when `fetch` is set.
   */
  attach(storage: PieceStorage, options: { fetch: boolean }): void {
    this.#sink = undefined
    if (this.#storage !== undefined && this.#storage !== storage) this.#storage.onLost = undefined
    this.#storage = storage
    storage.onLost = pieces => {
      this.#post({ type: 'piecesLost', pieces })
      this.events.emit('pieces:lost', { pieces })
    }
    this.#post({ type: 'fetchPaused', paused: !options.fetch })
    const { pieces, nodeCount, have } = storage
    this.#post({ type: 'manifestReady', pieces, nodeCount, have })
  }

  /** Go on fetching, or stop fetching and only serve. */
  setFetching(fetch: boolean): void {
    this.#post({ type: 'fetchPaused', paused: !fetch })
  }

  setPriorities(priorities: Priorities): void {
    this.#post({ type: 'prioritiesSet', ...priorities })
  }

  addPeers(peers: readonly PexPeer[]): void {
    const fresh = peers.filter(peer => peer.id !== this.#host.init.selfId && !this.#host.isBanned(peer.id))
    if (fresh.length > 0) this.#post({ type: 'peersFound', peers: fresh })
  }

  /** Where a peer that is in this swarm can be dialled became known: others are told in peer exchange. */
  learned(peerId: string, addrs: readonly string[]): void {
    if (this.sessions.some(session => session.peerId === peerId)) this.addPeers([{ id: peerId, addrs, seeder: false }])
  }

  /** Looks for peers until `endSearch`, `stop`, or the source has no more. */
  search(source: PeerSource): void {
    this.endSearch()
    const search = new AbortController()
    this.#search = search
    const signal = combineSignals(search.signal, this.#stopping.signal)
    this.#track(
      source.find(this.root, { signal, onFound: peers => this.addPeers(peers) }).catch((err: unknown) => {
        if (!signal.aborted) this.#host.init.log.warn(`looking for peers failed: ${String(err)}`)
      })
    )
  }

  endSearch(): void {
    this.#search?.abort()
    this.#search = undefined
  }

  /** An incoming session whose hello named this root. */
  adopt(session: PeerSession, hello: Message): void {
    session.handlers = this.#handlers
    this.#opened(session)
    this.#post({ type: 'message', session: session.id, message: hello })
  }

  /** Ends every session with the peer. */
  dropPeer(peerId: string, code: GoodbyeCode, reason: string): void {
    for (const session of this.sessions) if (session.peerId === peerId) session.goodbye(code, reason)
  }

  tick(): void {
    if (this.#sessions.size === 0 && this.#search === undefined) return
    const moved: Array<{ session: number; down: number; up: number }> = []
    for (const session of this.sessions) {
      if (session.endedAsStuck(this.#now())) continue
      const { up, down } = this.#traffic.count(session, this.#now())
      if (up > 0 || down > 0) moved.push({ session: session.id, down, up })
    }
    const heldBack = this.#downloads.heldBack()
    // a whole request may take minutes under a limit, theirs or ours
    if (heldBack.length > 0 || moved.some(({ down }) => down > 0)) this.events.emit('progressed', undefined)
    const upLimit = this.limits.up.bytesPerSec
    this.#post({ type: 'tick', moved, heldBack, ...(upLimit !== undefined && { upLimit }) })
  }

  /** A fetch that still runs ends with `failed`. */
  async stop(): Promise<void> {
    this.events.emit('failed', new ShoalError('ERR_ABORTED', 'the swarm is stopping'))
    this.#stopping.abort(new ShoalError('ERR_ABORTED', 'the swarm is stopping'))
    for (const session of this.sessions) session.goodbye('stopping', 'this node no longer serves that root')
    await Promise.allSettled([...this.#background])
    this.limits.stop()
    this.#downloads.clear()
    if (this.#storage !== undefined) this.#storage.onLost = undefined
  }

  #now(): number {
    return this.#host.init.clock.now()
  }

  #track(work: Promise<unknown>): void {
    const tracked = work.finally(() => this.#background.delete(tracked))
    this.#background.add(tracked)
  }

  readonly #handlers: SessionHandlers = {
    onMessage: (session, message) => {
      this.#post({ type: 'message', session: session.id, message })
      if (message.type === 'reject') this.#downloads.rejected(session, message.id)
      if (message.type === 'nodes') this.#takeNodes(session, message.first, message.blocks)
      if (message.type === 'goodbye') {
        this.facts.failed(session.peerId, goodbyeReason(message.code))
        session.abort(new ShoalError('ERR_UNREACHABLE', message.message))
      }
    },
    onData: (session, requestId, chunk) => this.#receive(session, requestId, chunk),
    roomFor: (session, requestId) => this.#downloads.blocks.roomFor(session.id, requestId),
    onDrain: session => this.#host.uploader.drained(session),
    onClosed: (session, err) => {
      if (err instanceof ShoalError && err.code === 'ERR_BUG') {
        this.#host.init.log.error(`a message of ${session.peerId} was not stood: ${err.message}`, err.cause)
      }
      if (!this.#sessions.delete(session.id)) return
      this.#traffic.end(session, this.#now())
      this.limits.drop(session.id)
      this.#downloads.forget(session)
      this.#host.uploader.dropSession(session)
      this.#post({ type: 'sessionClosed', session: session.id })
    }
  }

  #opened(session: PeerSession): void {
    this.#sessions.set(session.id, session)
    this.#traffic.count(session, this.#now())
    this.#post({
      type: 'sessionOpened',
      session: session.id,
      peerId: session.peerId,
      outbound: session.stream.outbound,
      addrs: this.#host.init.addrsOf(session.peerId)
    })
  }

  /** One input, then all its actions, then the next. */
  #post(input: Input): void {
    this.#inputs.push(input)
    if (this.#handling) return
    this.#handling = true
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
        for (const action of this.#core.handle(next, this.#now())) this.#perform(action)
      }
    } finally {
      this.#handling = false
    }
  }

  #perform(action: Action): void {
    const session = 'session' in action ? this.#sessions.get(action.session) : undefined
    switch (action.type) {
      case 'send':
        session?.sendMessage(action.message)
        return
      case 'request':
        if (session !== undefined) this.#downloads.request(session, action)
        return
      case 'cancelRequest':
        if (session !== undefined) this.#downloads.cancel(session, action.id)
        return
      case 'verify':
        this.#verify(action.first, action.count)
        return
      case 'upload':
        if (session !== undefined) this.#upload(session, action)
        return
      case 'cancelUpload':
        this.#host.uploader.cancel(action.session, action.id)
        return
      case 'sendNodes':
        if (session !== undefined) this.#sendNodes(session, action.first, action.count)
        return
      case 'dial':
        if (!this.#dialling.has(action.peer.id)) this.#track(this.#dial(action.peer))
        return
      case 'disconnect':
        session?.goodbye(action.code, action.message)
        return
      case 'ban':
        this.facts.bannedPeers.add(action.peerId)
        this.#host.ban(action.peerId, action.reason)
        return
      case 'completed':
        this.events.emit('completed', undefined)
        return
      default:
        action satisfies never
    }
  }

  #receive(session: PeerSession, requestId: number, chunk: Uint8Array): void {
    if (!this.#downloads.receive(session, requestId, chunk)) return
    this.events.emit('progressed', undefined)
    this.#post({ type: 'requestCompleted', session: session.id, id: requestId })
  }

  #verify(first: number, count: number): void {
    const storage = this.#storage
    if (storage === undefined) return
    const { gate, hasher } = this.#host
    this.#track(
      takePieces({ storage, blocks: this.#downloads.blocks, gate, hasher, first, count }, result => {
        // another storage was attached meanwhile: the core has begun anew
        if (storage !== this.#storage) return
        if (result.type === 'false') this.facts.falsePieces += 1
        else if (result.type === 'verified') {
          this.facts.fetchedBytes += storage.pieces.wireSize(result.piece)
          for (const peerId of result.from) this.facts.givers.add(peerId)
        }
        switch (result.type) {
          case 'verified':
            this.#post({ type: 'pieceVerified', piece: result.piece })
            this.events.emit('piece:verified', { piece: result.piece })
            return
          case 'false':
            this.#post({ type: 'pieceFalse', piece: result.piece })
            return
          case 'unwritten':
            this.#post({ type: 'fetchPaused', paused: true })
            this.#post({ type: 'piecesLost', pieces: [result.piece] })
            this.events.emit('unwritten', result.error)
        }
      })
    )
  }

  #upload(session: PeerSession, { id, offset, length }: Request): void {
    const storage = this.#storage
    if (storage === undefined) return
    this.#host.uploader.enqueue({
      session,
      id,
      offset,
      length,
      piece: storage.pieces.pieceAt(offset) ?? 0,
      storage,
      limiter: this.limits.up,
      onEnded: sentBytes => this.#post({ type: 'uploadEnded', session: session.id, id, sentBytes }),
      onFailed: err => {
        this.#host.init.log.warn(
          `cannot read what a peer asked for: ${err instanceof Error ? err.message : String(err)}`
        )
        session.sendMessage({ type: 'reject', id, code: 'notHeld' })
      }
    })
  }

  #sendNodes(session: PeerSession, first: number, count: number): void {
    const storage = this.#storage
    if (storage === undefined) return
    this.#nodeAnswers.give({ session, storage, first, count, limiter: this.limits.up, log: this.#host.init.log })
  }

  #takeNodes(session: PeerSession, first: number, blocks: readonly Uint8Array[]): void {
    const sink = this.#sink
    session.tookNodes(blocks)
    if (sink === undefined || session.isClosed || blocks.length === 0) return
    try {
      for (const [at, block] of blocks.entries()) {
        if (sink.complete) break
        if (first + at === sink.known) sink.add(block)
      }
    } catch (err) {
      if (err instanceof ShoalError && err.code === 'ERR_BAD_DATA') {
        this.#post({ type: 'nodesFalse', session: session.id })
        return
      }
      this.events.emit('failed', err instanceof Error ? err : new ShoalError('ERR_BUG', String(err)))
      return
    }
    this.facts.givers.add(session.peerId)
    this.events.emit('progressed', undefined)
    this.#post({ type: 'nodesAccepted', session: session.id, known: sink.known, complete: sink.complete })
    if (!sink.complete) return
    this.#sink = undefined
    this.events.emit('manifest:completed', undefined)
  }

  async #dial(peer: PexPeer): Promise<void> {
    this.#dialling.add(peer.id)
    const onSession = (session: PeerSession) => {
      if (session.isClosed) this.#post({ type: 'dialFailed', peerId: peer.id })
      else this.#opened(session)
    }
    try {
      await this.#host.dial(peer, { handlers: this.#handlers, onSession }, this.#stopping.signal)
    } catch (err) {
      if (this.#stopping.signal.aborted) return
      this.facts.failed(peer.id, dialReason(err))
      this.#host.init.log.debug(`dial of ${peer.id} failed: ${err instanceof Error ? err.message : String(err)}`)
      this.#post({ type: 'dialFailed', peerId: peer.id, isSent: wasSent(err) })
    } finally {
      this.#dialling.delete(peer.id)
    }
  }
}
