import { expect, it } from 'vitest'
import {
  ARRIVALS_BURST,
  ARRIVALS_PER_SEC,
  Arrivals,
  MAX_UNGREETED,
  MAX_UNGREETED_PER_PEER
} from '../../../src/transfer/io/arrivals.ts'
import type { PeerSession } from '../../../src/transfer/io/peer-session.ts'

const session = (peerId: string) => ({ peerId }) as PeerSession

it('takes so many streams without a hello of one peer, and more when one of them greets', () => {
  const arrivals = new Arrivals()
  const open = Array.from({ length: MAX_UNGREETED_PER_PEER }, () => session('one'))
  for (const each of open) {
    expect(arrivals.refusal('one', 0)).toBeUndefined()
    arrivals.came(each)
  }
  expect(arrivals.refusal('one', 0)).toContain('of this peer')
  expect(arrivals.refusal('other', 0)).toBeUndefined()
  const [first] = open
  if (first !== undefined) arrivals.done(first)
  expect(arrivals.refusal('one', 0)).toBeUndefined()
})

it('takes so many of all peers together', () => {
  const arrivals = new Arrivals()
  for (let i = 0; i < MAX_UNGREETED; i++) {
    expect(arrivals.refusal(`${i}`, 0)).toBeUndefined()
    arrivals.came(session(`${i}`))
  }
  expect(arrivals.refusal('another', 0)).toContain('without a hello')
})

it('takes a burst of one peer, then so many a second, greeted or not', () => {
  const arrivals = new Arrivals()
  for (let i = 0; i < ARRIVALS_BURST; i++) expect(arrivals.refusal('one', 0)).toBeUndefined()
  expect(arrivals.refusal('one', 0)).toContain('too often')
  expect(arrivals.refusal('other', 0)).toBeUndefined()
  for (let i = 0; i < ARRIVALS_PER_SEC; i++) expect(arrivals.refusal('one', 1_000)).toBeUndefined()
  expect(arrivals.refusal('one', 1_000)).toContain('too often')
})
