import { expect, it } from 'vitest'
import { Hearsay, MAX_VAIN_DIALS, VAIN_DIAL_MS } from '../../../src/transfer/core/hearsay.ts'
import { MAX_KNOWN_OF_TELLER, PeerPool } from '../../../src/transfer/core/peer-pool.ts'

it('a peer may send us on so many errands in vain, then on one a minute', () => {
  const hearsay = new Hearsay()
  for (let at = 0; at < MAX_VAIN_DIALS; at++) {
    expect(hearsay.isBelieved('liar', 0)).toBe(true)
    hearsay.dialled('liar', 0)
  }
  expect(hearsay.isBelieved('liar', VAIN_DIAL_MS - 1)).toBe(false)
  expect(hearsay.isBelieved('liar', VAIN_DIAL_MS)).toBe(true)
  hearsay.dialled('liar', VAIN_DIAL_MS)
  expect(hearsay.isBelieved('liar', VAIN_DIAL_MS)).toBe(false)
  expect(hearsay.isBelieved('another', VAIN_DIAL_MS)).toBe(true)
  hearsay.succeeded('liar', VAIN_DIAL_MS)
  expect(hearsay.isBelieved('liar', VAIN_DIAL_MS)).toBe(true)
})

it('a thousand victims cost eight dials, and whoever is told of by others too is dialled', () => {
  const pool = new PeerPool('me')
  const victim = (at: number) => ({ id: `victim${at}`, addrs: [`/ip4/192.0.2.1/tcp/${at + 1}`], seeder: true })
  for (let at = 0; at < 1000; at++) pool.add(victim(at), 'pex', 0, 'liar')
  expect(pool.size).toBe(MAX_KNOWN_OF_TELLER)
  expect(pool.takeDials(100, 5000).length).toBe(MAX_VAIN_DIALS)
  expect(pool.bestAffinity(5000)).toBe(-1)
  expect(pool.takeDials(100, 5000 + VAIN_DIAL_MS).length).toBe(1)
  const peer = { id: 'honest', addrs: [], seeder: false }
  pool.add(peer, 'pex', 6000, 'friend')
  expect(pool.takeDials(100, 8000)).toEqual([peer])
})
