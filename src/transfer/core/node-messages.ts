/** `nodeRequest` and `nodes`: asks for the manifest while it is not known, and gives it once it is. */
import { MAX_NODES_PER_REQUEST } from '../protocol/limits.ts'
import type { Message } from '../protocol/messages.ts'
import { ManifestExchange, type NodeRequest } from './manifest-exchange.ts'
import type { Session } from './session.ts'
import type { SwarmContext } from './swarm-context.ts'
import type { SessionId } from './swarm-io.ts'

/** Nodes that one peer may ask for in its session: the whole manifest so many times. */
const NODE_REQUESTS_FACTOR = 4

export class NodeMessages {
  readonly #context: SwarmContext
  readonly #exchange: ManifestExchange
  /** `total` of the last answer, by session. */
  readonly #totals = new Map<SessionId, number>()
  /** Nodes that a session asked for. */
  readonly #asked = new Map<SessionId, number>()
  /** Nodes that we asked a session for and that have not come. */
  readonly #owed = new Map<SessionId, number>()

  constructor(context: SwarmContext) {
    this.#context = context
    this.#exchange = new ManifestExchange(context.config.manifestTimeoutMs)
  }

  /** Nodes known so far. */
  get known(): number {
    return this.#exchange.known
  }

  /** Asks for what is missing, if it is time to. */
  ask(now: number): void {
    const holders: SessionId[] = []
    for (const session of this.#context.sessions.values()) {
      if (session.greeted && session.hasManifest) holders.push(session.id)
    }
    this.#ask(this.#exchange.next(holders, now))
    this.#ask(this.#exchange.second(holders, now))
  }

  #ask(request: NodeRequest | undefined): void {
    const session = request === undefined ? undefined : this.#context.sessions.get(request.session)
    if (request === undefined || session === undefined) return
    this.#owed.set(session.id, (this.#owed.get(session.id) ?? 0) + request.count)
    this.#context.send(session, { type: 'nodeRequest', first: request.first, count: request.count })
  }

  /** Whether we asked for what came: it is no flood then, however fast it comes. Each node counts once. */
  takeOwed(session: SessionId, blocks: number): boolean {
    const owed = this.#owed.get(session) ?? 0
    if (blocks === 0 || blocks > owed) return false
    this.#owed.set(session, owed - blocks)
    return true
  }

  /** An answer came; the runner checks its blocks and says what is known then. */
  answered(session: Session, { first, total, blocks }: Extract<Message, { type: 'nodes' }>, now: number): void {
    if (blocks.length > 0) {
      this.#totals.set(session.id, total)
      return
    }
    // not held, or past the end of what it has
    if (first >= this.#exchange.known) this.#exchange.failed(session.id, now)
    this.ask(now)
  }

  accepted(session: SessionId, known: number, now: number): void {
    this.#exchange.accepted(session, known, now)
    const total = this.#totals.get(session)
    if (total !== undefined && known >= total) this.#exchange.ended(session, now)
    this.ask(now)
  }

  /** A request of theirs. @param nodeCount undefined while the manifest is not known */
  requested(session: Session, first: number, count: number, nodeCount: number | undefined): void {
    if (nodeCount === undefined || first >= nodeCount) {
      this.#context.send(session, { type: 'nodes', first, total: nodeCount ?? 0, blocks: [] })
      return
    }
    const given = Math.min(count, nodeCount - first)
    const asked = (this.#asked.get(session.id) ?? 0) + given
    if (asked > nodeCount * NODE_REQUESTS_FACTOR + MAX_NODES_PER_REQUEST) {
      this.#context.end(session, 'limit', 'the manifest was asked for too often')
      return
    }
    this.#asked.set(session.id, asked)
    this.#context.emit({ type: 'sendNodes', session: session.id, first, count: given })
  }

  gone(session: SessionId): void {
    this.#exchange.gone(session)
    this.#totals.delete(session)
    this.#asked.delete(session)
    this.#owed.delete(session)
  }
}
