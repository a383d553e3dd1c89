import { describe, expect, it } from 'vitest'
import { MIB, SECOND_MS } from '../../../src/base/units.ts'
import {
  MESSAGE_BURST_UNITS,
  MESSAGE_START_UNITS,
  MESSAGE_UNITS_PER_SEC,
  MessageBudget,
  unitsOf
} from '../../../src/transfer/core/message-budget.ts'
import type { Message } from '../../../src/transfer/protocol/messages.ts'
import { ALL, Bench, NONE } from './bench.ts'

const FLOODS: ReadonlyArray<[string, Message[]]> = [
  ['interest that comes and goes', [{ type: 'interested' }, { type: 'notInterested' }]],
  ['chokes that come and go', [{ type: 'choke' }, { type: 'unchoke' }]],
  ['wants', [{ type: 'want', urgent: [{ first: 0, count: 2 }], ahead: [], only: false }]],
  ['declines', [{ type: 'decline', pieces: [0, 1], busy: false }]],
  ['promises', [{ type: 'have', runs: [], coming: [0, 1] }]],
  ['arrivals', [{ type: 'arriving', pieces: [0, 1] }]],
  ['offers', [{ type: 'offer', pieces: [0, 1] }]],
  [
    'haves that are lost again',
    [
      { type: 'have', runs: [{ first: 0, count: 2 }], coming: [] },
      { type: 'lost', runs: [{ first: 0, count: 2 }] }
    ]
  ],
  ['peers', [{ type: 'pex', added: [], dropped: [] }]],
  ['rejects', [{ type: 'reject', id: 1, code: 'busy' }]],
  ['cancels', [{ type: 'cancel', id: 1 }]],
  ['requests', [{ type: 'request', id: 1, offset: 0, length: 1 }]]
]

describe('a flood', () => {
  it.each(FLOODS)('of %s ends the session with limit', (_, messages) => {
    const bench = new Bench('10')
    bench.open(1, NONE)
    const units = messages.reduce((sum, message) => sum + unitsOf(message, 2), 0)
    const rounds = Math.ceil(MESSAGE_BURST_UNITS / units) + 1
    const last = Array.from({ length: rounds }, () => messages.flatMap(message => bench.say(1, message))).flat()
    expect(last.at(-1)).toBe('1: disconnect limit')
  })

  it.each(FLOODS)('of %s is none at half the rate that is allowed', (_, messages) => {
    const bench = new Bench('10')
    bench.open(1, ALL)
    const units = messages.reduce((sum, message) => sum + unitsOf(message, 2), 0)
    const everyMs = (2 * SECOND_MS * units) / MESSAGE_UNITS_PER_SEC
    for (let at = 0; at < 2000; at++) {
      for (const message of messages) expect(bench.say(1, message)).not.toContain('1: disconnect limit')
      bench.now += everyMs
    }
  })
})

describe('the budget of a session', () => {
  const request: Message = { type: 'request', id: 1, offset: 0, length: 1 }
  const taken = (budget: MessageBudget, now: number) => {
    let count = 0
    while (budget.take(request, 2, now)) count += 1
    return count * unitsOf(request, 2)
  }

  it('is half of a burst at the beginning, and a burst after a pause', () => {
    const budget = new MessageBudget(0)
    expect(taken(budget, 0)).toBe(MESSAGE_START_UNITS)
    expect(taken(budget, 10 * SECOND_MS)).toBe(MESSAGE_BURST_UNITS)
  })

  it('grows by what payload comes or goes, never past a burst', () => {
    const budget = new MessageBudget(0)
    taken(budget, 0)
    budget.moved(MIB, 0)
    expect(taken(budget, 0)).toBe(250)
    budget.moved(1000 * MIB, 0)
    expect(taken(budget, 0)).toBe(MESSAGE_BURST_UNITS)
  })

  it('holds two bitfields of the largest root at the beginning', () => {
    const budget = new MessageBudget(0)
    const bitfield: Message = { type: 'haveBitfield', have: { kind: 'all' } }
    // some time passes between the two, and little is enough
    expect(budget.take(bitfield, 8 * 1024 * 1024, 0)).toBe(true)
    expect(budget.take(bitfield, 8 * 1024 * 1024, 1)).toBe(true)
  })
})
