/** What an attack on a swarm session is, and what is promised of it. */
import type { GoodbyeCode } from '../../src/transfer/protocol/messages.ts'
import type { AttackStream } from './attacker.ts'

/** Of what is shared while the attack runs. */
export interface Target {
  readonly cid: string
  readonly pieceCount: number
  readonly pieceBytes: number
}

export interface Attack {
  readonly name: string
  /** The rule or limit that it runs into. */
  readonly limit: string
  /** The code with which its session ends; undefined: it may stay. */
  readonly ends: GoodbyeCode | undefined
  /** Whose code that is: who has everything, or who fetches. */
  readonly victim: 'seeder' | 'getter'
  readonly isBanned?: boolean
  /** The victim must say this to it. */
  readonly hears?: 'cancel' | 'reject'
  /** Returns when it has begun; it goes on until it is ended. */
  run(stream: AttackStream, target: Target): void
}
