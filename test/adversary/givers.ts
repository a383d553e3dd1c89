/** Peers that say they hold everything, and what they give then. */
import { MIB } from '../../src/base/units.ts'
import type { Message } from '../../src/transfer/protocol/messages.ts'
import type { Attack, Target } from './attack.ts'
import type { AttackStream } from './attacker.ts'

type Asked = Extract<Message, { type: 'request' }>

/** How it answers a request. */
type Answer = (stream: AttackStream, asked: Asked) => void

function giver(attack: Omit<Attack, 'victim' | 'run'>, answer: Answer): Attack {
  return { ...attack, victim: 'getter', run: (stream, target) => offerAll(stream, target, answer) }
}

function offerAll(stream: AttackStream, { cid, pieceCount }: Target, answer: Answer): void {
  stream.hello(cid, { kind: 'all' })
  // what others bring is declined: from the end, where they are not yet
  const pieces = Array.from({ length: pieceCount }, (_, at) => pieceCount - 1 - at)
  stream.onMessage = message => {
    if (message.type === 'request') answer(stream, message)
  }
  // it says so again, as who declines an offer may want it later
  stream.goOn(() => {
    if (!stream.hears('request')) stream.say({ type: 'offer', pieces })
  })
}

/** @param bytes a stroke */
function slowly(bytes: number): Answer {
  return (stream, { id, length }) => {
    let given = 0
    stream.goOn(() => {
      if (given + bytes < length) stream.give(id, new Uint8Array(bytes))
      given += bytes
    })
  }
}

export const GIVERS: readonly Attack[] = [
  giver(
    { name: 'false bytes', limit: 'given whole by one peer', ends: 'badData', isBanned: true },
    (stream, { id, length }) => stream.give(id, new Uint8Array(length).fill(7))
  ),
  giver(
    { name: 'more bytes than were asked for', limit: 'MAX_UNEXPECTED_BYTES', ends: 'protocol' },
    // of one block alone: a piece that is whole and false would be a ban
    (stream, { id, offset, length }) => {
      if (offset % MIB === 0) stream.goOn(() => stream.give(id, new Uint8Array(length - 1)))
    }
  ),
  giver(
    { name: 'fewer bytes than were asked for', limit: 'MIN_TARDY_MS', ends: undefined, hears: 'cancel' },
    (stream, { id, length }) => stream.give(id, new Uint8Array(length - 1))
  ),
  giver({ name: 'a byte at a time', limit: 'LIVELY_BYTES, MIN_TARDY_MS', ends: undefined, hears: 'cancel' }, slowly(1)),
  giver({ name: 'nothing at all', limit: 'MIN_TARDY_MS', ends: undefined, hears: 'cancel' }, () => {}),
  giver({ name: 'a reject for each request', limit: 'MAX_BROKEN_OFFERS', ends: undefined }, (stream, { id }) =>
    stream.say({ type: 'reject', id, code: 'notHeld' })
  ),
  giver({ name: 'chokes and unchokes while it owes', limit: 'MESSAGE_BURST_UNITS', ends: 'limit' }, stream =>
    stream.goOn(() => {
      for (let at = 0; at < 500; at++) stream.say({ type: 'unchoke' }, { type: 'choke' })
    })
  )
]
