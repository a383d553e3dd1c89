/** Peers that are slow: the hostile cost nobody anything and are ended, the honest are waited for. */
import { afterEach, expect, it } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { KIB, MIB } from '../../src/base/units.ts'
import { MAX_OFFENCES } from '../../src/transfer/core/offences.ts'
import { addrOf, host, until } from '../node/host/test-hosts.ts'
import { type AttackStream, attack } from './attacker.ts'
import { content, FastClock, fetchAll, ROOT, type Swarming, swarming } from './serving.ts'

const CID = ROOT.toString()
const stops: Swarming[] = []
afterEach(async () => {
  await Promise.all(stops.splice(0).map(({ swarms }) => swarms.stop()))
})

async function swarmingOn(...args: Parameters<typeof swarming>): Promise<Swarming> {
  const made = await swarming(...args)
  stops.push(made)
  return made
}

/** Asks for all it is offered, or may ask for, and never reads on once it has begun. */
async function deaf(addr: string, pieceCount: number): Promise<AttackStream> {
  const stream = await attack(await host(), addr)
  stream.hello(CID, { kind: 'none' })
  stream.say({ type: 'interested' })
  await until('an unchoke', () => stream.hears('unchoke'))
  stream.stopReading()
  for (let piece = 0; piece < pieceCount; piece++) {
    stream.say({ type: 'request', id: piece + 1, offset: piece * MIB, length: MIB })
  }
  return stream
}

it('who asks and never reads is ended, and others are served meanwhile (WRITE_TIMEOUT_MS, SET_ASIDE_MS)', async () => {
  const clock = new FastClock(25)
  const stuff = content(12)
  const seeder = await host()
  const serving = await swarmingOn(seeder, stuff, { clock, seeds: true })
  const stuck = await Promise.all(Array.from({ length: 4 }, () => deaf(addrOf(seeder), 12)))
  const swarm = serving.swarms.open(ROOT.bytes)
  await until('they take nothing', () => swarm.sessions.every(session => !session.isWritable))
  const getter = await swarmingOn(await host(), stuff, { clock: systemClock, seeds: false })
  await fetchAll(getter, [addrOf(seeder)])
  expect(Buffer.compare(getter.storage.bytes, stuff.bytes)).toBe(0)
  await until('their end', () => stuck.every(({ isClosed }) => isClosed))
  expect(serving.banned).toEqual([])
})

it('who opens a stream and says no hello is told that it is idle (helloTimeoutMs)', async () => {
  const seeder = await host()
  await swarmingOn(seeder, content(1), { clock: systemClock, seeds: true, helloTimeoutMs: 200 })
  const silent = await attack(await host(), addrOf(seeder))
  await until('a goodbye', () => silent.goodbye !== undefined)
  expect(silent.goodbye).toBe('idle')
})

it('who breaks the rules again and again is banned, and gets no session any more (MAX_OFFENCES)', async () => {
  const seeder = await host()
  const { swarms, banned } = await swarmingOn(seeder, content(1), { clock: systemClock, seeds: true })
  const from = await host()
  for (let time = 0; time <= MAX_OFFENCES; time++) {
    expect(swarms.isBanned(from.peerId)).toBe(false)
    const stream = await attack(from, addrOf(seeder))
    stream.say({ type: 'interested' })
    await until('a goodbye', () => stream.goodbye !== undefined)
    expect(stream.goodbye).toBe('protocol')
  }
  await until('a ban', () => banned.includes(from.peerId))
  const stream = await attack(from, addrOf(seeder))
  stream.hello(CID, { kind: 'none' })
  await until('a goodbye', () => stream.goodbye !== undefined)
  expect(stream.goodbye).toBe('badData')
})

it.each(['badData', 'limit'] as const)('a ban counts once for the host, where its sessions are told %s', async code => {
  const offended: string[] = []
  const onOffence = (addr: string) => void offended.push(addr)
  const seeder = await host()
  const { swarms } = await swarmingOn(seeder, content(1), { clock: systemClock, seeds: true, onOffence })
  const stream = await attack(await host(), addrOf(seeder))
  stream.hello(CID, { kind: 'none' })
  const swarm = swarms.open(ROOT.bytes)
  await until('its session', () => swarm.sessions.length === 1)
  const [session] = swarm.sessions
  swarms.ban(session?.peerId ?? '', 'a test', code)
  await until('a goodbye', () => stream.goodbye !== undefined)
  expect(stream.goodbye).toBe(code)
  expect(offended).toEqual([session?.stream.addr])
})

it('an honest source of 4 KB/s, the only one, is waited for and not banned', async () => {
  const stuff = content(3, 16 * KIB)
  const seeder = await host()
  const source = await swarmingOn(seeder, stuff, { clock: systemClock, seeds: true, up: 4_000 })
  const getter = await swarmingOn(await host(), stuff, { clock: systemClock, seeds: false })
  await fetchAll(getter, [addrOf(seeder)])
  expect(Buffer.compare(getter.storage.bytes, stuff.bytes)).toBe(0)
  expect([...getter.banned, ...source.banned]).toEqual([])
})
