/** Which requests for DAG nodes are being answered, session by session. */
import type { PeerSession } from './peer-session.ts'
import { type NodesAnswer, sendNodes } from './send-nodes.ts'

/** Requests of one session that are not answered. Whoever fetches a manifest makes one after the other. */
export const MAX_NODE_ANSWERS = 16

interface Answers {
  last: Promise<void>
  /** Those that are not out. */
  count: number
}

export class NodeAnswers {
  readonly #of = new WeakMap<PeerSession, Answers>()

  /** In the order of the requests. Nobody waits for them at the stop: they end with their session. */
  give(answer: NodesAnswer): void {
    const { session } = answer
    const answers = this.#of.get(session) ?? { last: Promise.resolve(), count: 0 }
    if (answers.count >= MAX_NODE_ANSWERS) {
      session.goodbye('limit', 'too many requests for DAG nodes at once')
      return
    }
    this.#of.set(session, answers)
    answers.count += 1
    answers.last = answers.last
      .then(() => sendNodes(answer))
      .then(() => {
        answers.count -= 1
      })
  }
}
