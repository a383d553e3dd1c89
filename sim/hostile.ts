/**
 * Peers that break the rules, one kind an attack: each is the production core whose words and deeds are bent. What they
 * cost the others is measured by `npm run simulate -- --hostile`; the same attacks over real streams are in
 * test/adversary.
 */
import { MIB } from '../src/base/units.ts'
import type { Message } from '../src/transfer/protocol/messages.ts'

/**
 * Givers that say they hold everything: `badBytes` gives false bytes; `falseHave` rejects each request; `staller` never
 * answers; `trickler` gives a byte a tick; `crawler` 1 KiB a tick; `alternator` gives one block and rejects the next.
 * Takers that hold nothing: `silent` never answers an offer; `deaf` asks and never reads; `glutton` asks for the same
 * bytes for ever; `hoarder` takes and never says so; `decliner` and `busy` decline what they are offered; `promiser` says
 * that everything comes from elsewhere. Talkers: `haveFlapper`, `interestFlapper`, `chokeFlapper`, `wanter` and `pexLiar`
 * repeat themselves many times a tick.
 */
export const HOSTILE_KINDS = [
  'badBytes',
  'falseHave',
  'staller',
  'trickler',
  'crawler',
  'alternator',
  'silent',
  'deaf',
  'glutton',
  'hoarder',
  'decliner',
  'busy',
  'promiser',
  'haveFlapper',
  'interestFlapper',
  'chokeFlapper',
  'wanter',
  'pexLiar'
] as const
export type HostileKind = (typeof HOSTILE_KINDS)[number]

/** A request of somebody's that a hostile peer was to answer. */
export interface Asked {
  readonly session: number
  readonly id: number
  readonly offset: number
  readonly length: number
}

/** What a hostile peer can do, beside what its core does. */
export interface Hands {
  readonly pieceCount: number
  readonly sessions: Iterable<number>
  say(session: number, message: Message): void
  /** Payload for a request of theirs. */
  give(session: number, id: number, bytes: number): void
  /** As an honest peer would. */
  upload(asked: Asked): void
  /** The core hears that it is over. */
  refuse(asked: Asked): void
}

export interface Hostility {
  /** It says it holds everything. */
  readonly pretends: boolean
  /** It never reads what is sent to it. */
  readonly isDeaf: boolean
  /** Whether what its core says goes out. */
  says(message: Message): boolean
  /** Somebody asked it for something. */
  asked(hands: Hands, asked: Asked): void
  /** What it asked for is there. False: its core does not hear of it. */
  got(hands: Hands, asked: Asked): boolean
  tick(hands: Hands): void
}

/** Messages a tick of those who flood. */
const FLOOD = 200

const HONEST: Hostility = {
  pretends: false,
  isDeaf: false,
  says: () => true,
  asked: (hands, asked) => hands.upload(asked),
  got: () => true,
  tick: () => {}
}

const giver = (asked: Hostility['asked'], tick: Hostility['tick'] = () => {}): Hostility => ({
  ...HONEST,
  pretends: true,
  asked,
  tick
})

/** @param bytes of each request and tick */
function slowGiver(bytes: number): Hostility {
  const owed: Array<Asked & { sent: number }> = []
  return giver(
    (_, asked) => {
      owed.push({ ...asked, sent: 0 })
    },
    hands => {
      const served = new Set<number>()
      for (const one of owed) {
        if (served.has(one.session) || one.sent >= one.length) continue
        served.add(one.session)
        const part = Math.min(bytes, one.length - one.sent)
        one.sent += part
        hands.give(one.session, one.id, part)
      }
    }
  )
}

function flooder(messages: (hands: Hands) => readonly Message[]): Hostility {
  return {
    ...HONEST,
    tick: hands => {
      const all = messages(hands)
      for (const session of hands.sessions) {
        for (let at = 0; at < FLOOD; at += all.length) for (const message of all) hands.say(session, message)
      }
    }
  }
}

/** @param answer to each offer; undefined: none */
const refuser = (isBusy: boolean): Hostility => ({
  ...HONEST,
  says: ({ type }) => type === 'hello' || type === 'interested' || type === 'nodeRequest' || type === 'decline',
  tick: hands => {
    const pieces = Array.from({ length: Math.min(1024, hands.pieceCount) }, (_, piece) => piece)
    for (const session of hands.sessions) hands.say(session, { type: 'decline', pieces, busy: isBusy })
  }
})

const mute: Hostility['says'] = ({ type }) => type === 'hello' || type === 'interested' || type === 'nodeRequest'

/** A new one with a memory of its own. */
export function hostility(kind: HostileKind): Hostility {
  switch (kind) {
    case 'badBytes':
      return HONEST
    case 'falseHave':
      return giver((hands, asked) => hands.refuse(asked))
    case 'staller':
      return giver(() => {})
    case 'trickler':
      return slowGiver(1)
    case 'crawler':
      return slowGiver(1024)
    case 'alternator': {
      let turn = 0
      return giver((hands, asked) => {
        turn += 1
        if (turn % 2 === 0) hands.refuse(asked)
        else hands.upload(asked)
      })
    }
    case 'silent':
      return { ...HONEST, says: mute }
    case 'deaf':
      return { ...HONEST, isDeaf: true }
    case 'hoarder':
      return { ...HONEST, says: message => mute(message) || message.type === 'request' }
    case 'glutton': {
      let nextId = 1_000_000
      return {
        ...HONEST,
        says: message => mute(message) || message.type === 'request',
        got: (hands, { session, offset, length }) => {
          nextId += 1
          hands.say(session, { type: 'request', id: nextId, offset, length: Math.min(length, MIB) })
          return false
        }
      }
    }
    case 'decliner':
      return refuser(false)
    case 'busy':
      return refuser(true)
    case 'promiser':
      return flooder(({ pieceCount }) => [
        { type: 'have', runs: [], coming: Array.from({ length: Math.min(1024, pieceCount) }, (_, piece) => piece) }
      ])
    case 'haveFlapper':
      return flooder(({ pieceCount }) => [
        { type: 'have', runs: [{ first: 0, count: pieceCount }], coming: [] },
        { type: 'lost', runs: [{ first: 0, count: pieceCount }] }
      ])
    case 'interestFlapper':
      return flooder(() => [{ type: 'notInterested' }, { type: 'interested' }])
    case 'chokeFlapper':
      return flooder(() => [{ type: 'unchoke' }, { type: 'choke' }])
    case 'wanter':
      return flooder(({ pieceCount }) => [
        {
          type: 'want',
          urgent: [{ first: 0, count: pieceCount }],
          ahead: [{ first: 0, count: pieceCount }],
          only: true
        }
      ])
    case 'pexLiar': {
      let victim = 0
      return flooder(() => [
        {
          type: 'pex',
          added: Array.from({ length: 50 }, () => {
            victim += 1
            return { id: `victim-${victim}`, addrs: [`/sim/victim-${victim}`], seeder: true }
          }),
          dropped: Array.from({ length: 50 }, (_, at) => `victim-${victim - 50 - at}`)
        }
      ])
    }
  }
}
