import { expect, it } from 'vitest'
import { SECOND_MS } from '../../../src/base/units.ts'
import {
  DIAL_MEMORY_MS,
  DialGuard,
  FREE_FAILURES,
  MAX_FAILED_OF_HOST,
  MAX_WAIT_MS
} from '../../../src/node/host/dial-guard.ts'

const VICTIM = '/ip4/192.0.2.7/tcp/80'
const PEER = 'somebody'

it('dials a victim a few times an hour, however often it is named', () => {
  const guard = new DialGuard()
  let dials = 0
  for (let now = 0; now < 3600 * SECOND_MS; now += SECOND_MS) {
    if (!guard.allows(VICTIM, PEER, now)) continue
    dials += 1
    guard.failed(VICTIM, now)
  }
  expect(dials).toBeLessThan(20)
  expect(dials).toBeGreaterThan(FREE_FAILURES)
})

it('lets an address go on that worked, or that failed long ago', () => {
  const guard = new DialGuard()
  for (let at = 0; at < 20; at++) guard.failed(VICTIM, 0)
  expect(guard.allows(VICTIM, PEER, MAX_WAIT_MS - 1)).toBe(false)
  expect(guard.allows(VICTIM, PEER, DIAL_MEMORY_MS + 1)).toBe(true)
  guard.succeeded(VICTIM, PEER)
  expect(guard.allows(VICTIM, PEER, 1)).toBe(true)
})

it('dials so many addresses of one host in vain, and no more', () => {
  const guard = new DialGuard()
  let dials = 0
  for (let port = 1; port < 1000; port++) {
    const addr = `/ip4/192.0.2.7/tcp/${port}`
    if (!guard.allows(addr, PEER, port)) continue
    dials += 1
    guard.failed(addr, port)
  }
  expect(dials).toBe(MAX_FAILED_OF_HOST)
  expect(guard.allows('/ip4/192.0.2.8/tcp/1', PEER, 1000)).toBe(true)
  expect(guard.allows('/ip4/192.0.2.7/tcp/2000', PEER, 1000 + DIAL_MEMORY_MS)).toBe(true)
})

it('counts dials that are under way: many names for one address are no way around', () => {
  const guard = new DialGuard()
  const names = Array.from({ length: 20 }, (_, at) => `peer-${at}`)
  const dialled = names.filter(name => {
    const isAllowed = guard.allows(VICTIM, name, 0)
    if (isAllowed) guard.began(VICTIM, name)
    return isAllowed
  })
  expect(dialled.length).toBe(FREE_FAILURES)
  // whom we look for there already may be looked for by another swarm
  expect(guard.allows(VICTIM, 'peer-0', 0)).toBe(true)
  for (const name of dialled) {
    guard.failed(VICTIM, 0)
    guard.ended(VICTIM, name)
  }
  expect(guard.allows(VICTIM, 'peer-19', 0)).toBe(false)
  guard.succeeded(VICTIM, PEER)
  expect(guard.allows(VICTIM, 'peer-19', 0)).toBe(true)
})

it('lets the user try as often as it takes', () => {
  const guard = new DialGuard()
  for (let at = 0; at < 20; at++) guard.failed(VICTIM, 0)
  guard.trust(VICTIM)
  expect(guard.allows(VICTIM, PEER, 1)).toBe(true)
})

it('counts an address of a host once, and no more once it worked or is forgotten', () => {
  const guard = new DialGuard()
  const addr = (port: number) => `/ip4/192.0.2.7/tcp/${port}`
  for (let port = 1; port <= MAX_FAILED_OF_HOST; port++)
    for (let time = 0; time < 2; time++) guard.failed(addr(port), port)
  expect(guard.allows(addr(999), PEER, 100)).toBe(false)
  guard.succeeded(addr(5), PEER)
  expect(guard.allows(addr(999), PEER, 100)).toBe(true)
  guard.failed(addr(5), 100)
  expect(guard.allows(addr(999), PEER, 100)).toBe(false)
  expect(guard.allows(addr(999), PEER, DIAL_MEMORY_MS + 2)).toBe(true)
})

it('ranks what worked last before what is unknown, and that before what failed', () => {
  const guard = new DialGuard()
  expect(guard.rank(VICTIM)).toBe(1)
  guard.succeeded(VICTIM, PEER)
  expect(guard.rank(VICTIM)).toBe(0)
  guard.failed(VICTIM, 0)
  expect(guard.rank(VICTIM)).toBe(2)
})

it('dials whoever was found at an address there, whatever names failed there or at its host', () => {
  const guard = new DialGuard()
  guard.found(VICTIM, PEER)
  for (let port = 1; port <= MAX_FAILED_OF_HOST; port++) {
    guard.failed(VICTIM, 0, `peer-${port}`)
    guard.failed(`/ip4/192.0.2.7/tcp/${port + 100}`, 0, `peer-${port}`)
  }
  expect(guard.allows(VICTIM, PEER, 1)).toBe(true)
  expect(guard.rank(VICTIM, PEER)).toBe(0)
  expect(guard.allows(VICTIM, 'another', 1)).toBe(false)
  expect(guard.rank(VICTIM, 'another')).toBe(2)
  for (let time = 0; time < FREE_FAILURES; time++) guard.failed(VICTIM, 1, PEER)
  expect(guard.allows(VICTIM, PEER, 2)).toBe(false)
})

it('whoever was found at an address waits for its own failures there, not for those of false names', () => {
  const guard = new DialGuard()
  for (let at = 0; at < 20; at++) {
    guard.failed(VICTIM, at, `false-${at}`)
    guard.found(VICTIM, PEER)
  }
  // it starts anew
  guard.failed(VICTIM, 100, PEER)
  expect(guard.allows(VICTIM, 'false-20', 101)).toBe(false)
  expect(guard.rank(VICTIM, PEER)).toBe(2)
  expect(guard.allows(VICTIM, PEER, 101)).toBe(true)
  // it is gone
  let dials = 0
  for (let now = 101; now < 3_600_000; now += 1_000) {
    if (!guard.allows(VICTIM, PEER, now)) continue
    dials += 1
    guard.failed(VICTIM, now, PEER)
  }
  expect(dials).toBeLessThan(20)
})
