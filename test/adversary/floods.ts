/** Messages that are right by themselves, and come without end. */
import { encodeControlFrame } from '../../src/transfer/protocol/frame.ts'
import type { Message } from '../../src/transfer/protocol/messages.ts'
import type { Attack, Target } from './attack.ts'

/** Messages in one write, encoded once, so that a flood costs the attacker little. */
const IN_A_WRITE = 2000

function flood(name: string, limit: string, messagesOf: (target: Target) => readonly Message[]): Attack {
  return {
    ...{ name: `a flood of ${name}`, limit, ends: 'limit', victim: 'seeder' },
    run: (stream, target) => {
      const messages = messagesOf(target).map(encodeControlFrame)
      const stroke = Buffer.concat(Array.from({ length: IN_A_WRITE / messages.length }, () => messages).flat())
      stream.hello(target.cid, { kind: 'none' })
      stream.say({ type: 'interested' })
      stream.goOn(() => stream.raw(stroke))
    }
  }
}

const BUDGET = 'MESSAGE_BURST_UNITS'
const all = ({ pieceCount }: Target) => [{ first: 0, count: pieceCount }]
const every = ({ pieceCount }: Target) => Array.from({ length: pieceCount }, (_, piece) => piece)

export const FLOODS: readonly Attack[] = [
  flood('requests', BUDGET, () => [
    { type: 'request', id: 9, offset: 0, length: 1 },
    { type: 'cancel', id: 9 }
  ]),
  flood('haves', BUDGET, target => [
    { type: 'have', runs: all(target), coming: [] },
    { type: 'lost', runs: all(target) }
  ]),
  flood('promises', BUDGET, target => [{ type: 'have', runs: [], coming: every(target) }]),
  flood('chokes', BUDGET, () => [{ type: 'choke' }, { type: 'unchoke' }]),
  flood('interest', BUDGET, () => [{ type: 'notInterested' }, { type: 'interested' }]),
  flood('wants', BUDGET, target => [{ type: 'want', urgent: all(target), ahead: all(target), only: true }]),
  flood('offers', BUDGET, target => [{ type: 'offer', pieces: every(target) }]),
  flood('suggestions', BUDGET, target => [{ type: 'suggest', pieces: every(target) }]),
  flood('declines', BUDGET, target => [{ type: 'decline', pieces: every(target), busy: false }]),
  flood('busy declines', BUDGET, target => [{ type: 'decline', pieces: every(target), busy: true }]),
  flood('arrivals', BUDGET, target => [{ type: 'arriving', pieces: every(target) }]),
  flood('rejects', BUDGET, () => [{ type: 'reject', id: 1, code: 'notHeld' }]),
  flood('peer exchange', BUDGET, () => [
    { type: 'pex', added: [], dropped: Array.from({ length: 50 }, (_, at) => `p${at}`) }
  ]),
  flood('bitfields', 'MAX_HAVE_BITFIELDS', () => [{ type: 'haveBitfield', have: { kind: 'all' } }]),
  flood('DAG-node requests', 'NODE_REQUESTS_FACTOR', () => [{ type: 'nodeRequest', first: 0, count: 1024 }])
]
