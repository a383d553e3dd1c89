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

it('dials a victim a few times an hour, however often it is named', () => {
  const guard = new DialGuard()
  let dials = 0
  for (let now = 0; now < 3600 * SECOND_MS; now += SECOND_MS) {
    if (!guard.allows(VICTIM, now)) continue
    dials += 1
    guard.failed(VICTIM, now)
  }
  expect(dials).toBeLessThan(20)
  expect(dials).toBeGreaterThan(FREE_FAILURES)
})

it('lets an address go on that worked, or that failed long ago', () => {
  const guard = new DialGuard()
  for (let at = 0; at < 20; at++) guard.failed(VICTIM, 0)
  expect(guard.allows(VICTIM, MAX_WAIT_MS - 1)).toBe(false)
  expect(guard.allows(VICTIM, DIAL_MEMORY_MS + 1)).toBe(true)
  guard.succeeded(VICTIM)
  expect(guard.allows(VICTIM, 1)).toBe(true)
})

it('dials so many addresses of one host in vain, and no more', () => {
  const guard = new DialGuard()
  let dials = 0
  for (let port = 1; port < 1000; port++) {
    const addr = `/ip4/192.0.2.7/tcp/${port}`
    if (!guard.allows(addr, port)) continue
    dials += 1
    guard.failed(addr, port)
  }
  expect(dials).toBe(MAX_FAILED_OF_HOST)
  expect(guard.allows('/ip4/192.0.2.8/tcp/1', 1000)).toBe(true)
  expect(guard.allows('/ip4/192.0.2.7/tcp/2000', 1000 + DIAL_MEMORY_MS)).toBe(true)
})
