/** What the parts of a swarm share: the sessions, and the way out. */
import type { Random } from '../../base/random.ts'
import type { GoodbyeCode, Message } from '../protocol/messages.ts'
import type { Rule, SwarmConfig } from './config.ts'
import type { Session } from './session.ts'
import type { Action, SessionId } from './swarm-io.ts'

export interface SwarmContext {
  readonly config: SwarmConfig
  readonly random: Random
  /** Whether the rule is in force. */
  follows(rule: Rule): boolean
  readonly sessions: ReadonlyMap<SessionId, Session>
  emit(action: Action): void
  send(session: Session, message: Message): void
  /** Ends the session at once: it is no longer in `sessions`. */
  end(session: Session, code: GoodbyeCode, message: string): void
  /** Bans the peer and ends its sessions. */
  ban(peerId: string, reason: string): void
}
