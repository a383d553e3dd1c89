/** One swarm, and in short words what it does about each input. What is held is a string, a digit a piece. */
import { seededRandom } from '../../../src/base/random.ts'
import { MIB } from '../../../src/base/units.ts'
import { Bitfield } from '../../../src/content/bitfield.ts'
import type { SwarmConfig } from '../../../src/transfer/core/config.ts'
import { Swarm } from '../../../src/transfer/core/swarm.ts'
import type { Action, Input } from '../../../src/transfer/core/swarm-io.ts'
import { FEATURE_PLACES, type Have, type Message, type Run } from '../../../src/transfer/protocol/messages.ts'
import { pieceMap, ROOT } from './mini-sim.ts'

export const ALL: Have = { kind: 'all' }
export const NONE: Have = { kind: 'none' }

function field(digits: string): Bitfield {
  const bits = new Bitfield(digits.length)
  for (const [piece, digit] of [...digits].entries()) if (digit === '1') bits.add(piece)
  return bits
}

export const bits = (digits: string): Have => ({ kind: 'bitfield', bytes: field(digits).bytes })
export const ask = (id: number, offset = 0, length = MIB): Message => ({ type: 'request', id, offset, length })
export const only = (actions: readonly string[], what: string) => actions.filter(action => action.includes(what))

export const hello = (have: Have, rest: Partial<Extract<Message, { type: 'hello' }>> = {}): Message => ({
  type: 'hello',
  root: ROOT,
  features: 0,
  manifest: true,
  have,
  maxRequests: 100,
  maxRequestBytes: 16 * MIB,
  ...rest
})

export class Bench {
  readonly swarm: Swarm
  readonly #pieceBytes: number
  now = 0

  /** @param pieceBytes of each piece */
  constructor(held?: string, config: Partial<SwarmConfig> = {}, pieceBytes = MIB) {
    this.swarm = new Swarm({ root: ROOT, selfId: 'me', random: seededRandom(3), config })
    this.#pieceBytes = pieceBytes
    if (held !== undefined) this.load(held)
  }

  load(held: string): string[] {
    const pieces = pieceMap([...held].map(() => this.#pieceBytes))
    return this.do({ type: 'manifestReady', pieces, nodeCount: 3, have: field(held) })
  }

  do(input: Input): string[] {
    return this.swarm.handle(input, this.now).map(brief)
  }

  open(session: number, have?: Have, peerId = `peer${session}`): string[] {
    const actions = this.do({ type: 'sessionOpened', session, peerId, outbound: true })
    return have === undefined ? actions : this.say(session, hello(have))
  }

  /** One that places what it uploads. */
  openPlacer(session: number, have: Have): string[] {
    this.open(session)
    return this.say(session, hello(have, { features: FEATURE_PLACES }))
  }

  say(session: number, message: Message): string[] {
    return this.do({ type: 'message', session, message })
  }

  offer(session: number, ...pieces: number[]): string[] {
    return this.say(session, { type: 'offer', pieces })
  }

  decline(session: number, pieces: number[], busy = false): string[] {
    return this.say(session, { type: 'decline', pieces, busy })
  }

  has(session: number, ...pieces: number[]): string[] {
    return this.say(session, { type: 'have', runs: pieces.map(first => ({ first, count: 1 })), coming: [] })
  }

  coming(session: number, ...pieces: number[]): string[] {
    return this.say(session, { type: 'have', runs: [], coming: pieces })
  }

  /** Requests of ours that the session answered in full. */
  completed(session: number, ...ids: number[]): string[] {
    return ids.flatMap(id => this.do({ type: 'requestCompleted', session, id }))
  }

  tick(ms = 250, moved: Array<{ session: number; down: number; up: number }> = []): string[] {
    this.now += ms
    return this.do({ type: 'tick', moved })
  }

  /** Ticks until so much later, during which nothing moves. */
  wait(ms: number): string[] {
    const actions: string[] = []
    for (const end = this.now + ms; this.now < end; ) actions.push(...this.tick(Math.min(250, end - this.now)))
    return actions
  }
}

function brief(action: Action): string {
  switch (action.type) {
    case 'send':
      return `${action.session}: ${said(action.message)}`
    case 'disconnect':
      return `${action.session}: disconnect ${action.code}`
    case 'request':
    case 'upload':
      return `${action.session}: ${action.type} ${action.offset / MIB}+${action.length / MIB}`
    case 'cancelRequest':
    case 'cancelUpload':
      return `${action.session}: ${action.type} ${action.id}`
    case 'sendNodes':
      return `${action.session}: sendNodes ${action.first}+${action.count}`
    case 'verify':
      return `verify ${action.first}+${action.count}`
    case 'dial':
      return `dial ${action.peer.id}`
    case 'ban':
      return `ban ${action.peerId}`
    case 'completed':
      return 'completed'
  }
}

function said(message: Message): string {
  switch (message.type) {
    case 'reject':
      return `reject ${message.id} ${message.code}`
    case 'hello':
    case 'haveBitfield':
      return `${message.type} ${message.have.kind}`
    case 'lost':
      return `lost ${runs(message.runs)}`
    case 'have':
      return ['have', runs(message.runs), message.coming.length === 0 ? '' : `coming ${message.coming}`]
        .filter(part => part !== '')
        .join(' ')
    case 'offer':
    case 'suggest':
    case 'arriving':
      return `${message.type} ${message.pieces}`
    case 'decline':
      return `decline ${message.pieces} ${message.busy ? 'busy' : 'coming'}`
    case 'want':
      return `want ${runs(message.urgent)} then ${runs(message.ahead)}${message.only ? ' only' : ''}`
    default:
      return message.type
  }
}

function runs(list: readonly Run[]): string {
  return list.map(({ first, count }) => `${first}+${count}`).join(',')
}
