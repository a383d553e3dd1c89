/**
 * A network of twelve three quarters of which are replaced, a quarter at a time: one closes, two fall silent with their
 * sockets open. What `npm run soak:dht` measures over minutes is asserted here step by step: time for the announcements
 * passes when the test says so, and every wait is for a state that must come.
 */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DhtNetwork, type Member, tableOf } from '../../scripts/soak/dht-network.mjs'
import { silentLogger } from '../../src/base/log.ts'
import { seededRandom } from '../../src/base/random.ts'
import { Reprovider } from '../../src/dht/reprovider.ts'
import { createHost } from '../../src/node/host/create-host.ts'
import { HostContacts } from '../../src/node/host/host-contacts.ts'
import { LOOPBACK, until } from '../node/host/test-hosts.ts'

const SEED = Number(process.env['SHOAL_SEED'] ?? 20_261)
const NODES = 12
const SHARERS = 3
const STEPS = 3
const LEAVE = ['silently', 'closing', 'silently'] as const
/** Twice as many as those that share and stay: they hold each other's records whatever is done. */
const ENOUGH_HOLDERS = 4
/** A connection asks for a sign of life every 1.5 s instead of 30, and so on. */
const PACE = { pauses: 0.05, limits: 0.3 }
/** Of a lookup: LOOKUP_TIMEOUT_MS, and what a busy machine adds. */
const LOOKUP_LIMIT_MS = 35_000
/** From one announcement of a record to the next that comes before its turn. */
const EARLY_GAP_MS = 120_000
const LONG_MS = 60_000

/** The time of the announcements. */
class Announcing {
  nowMs = 0
  readonly #timers = new Set<{ run: () => void; atMs: number }>()
  readonly clock = { now: () => this.nowMs, wallMs: () => this.nowMs }
  readonly startTimer = (run: () => void, ms: number) => {
    const timer = { run, atMs: this.nowMs + ms }
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }

  pass(ms: number): void {
    this.nowMs += ms
    for (const timer of [...this.#timers]) {
      if (timer.atMs > this.nowMs || !this.#timers.delete(timer)) continue
      timer.run()
    }
  }
}

let network: DhtNetwork
let time: Announcing
beforeEach(() => {
  console.log(`seed ${SEED}`)
  time = new Announcing()
  network = new DhtNetwork({
    // noise: sockets that are silenced here are read and written by the runtime itself under TLS
    makeHost: privateKey =>
      createHost({ privateKey, listen: [LOOPBACK], log: silentLogger, encryption: ['noise'], dht: { pace: PACE } }),
    Reprovider,
    Contacts: HostContacts,
    contactsEach: 2,
    random: seededRandom(SEED),
    time
  })
})
afterEach(() => network.close())

const everyoneIsIn = () =>
  until('every table is filled', () => network.members.every(({ host }) => tableOf(host).length >= NODES / 2), LONG_MS)

const nobodyNamesTheDead = () =>
  until('no table names the dead', async () => (await network.tables()).dead === 0, LONG_MS)

const everyRecordLies = () =>
  until(
    'every record lies with enough nodes',
    async () => {
      const holders = await Promise.all(network.stayers.map(sharer => network.holders(sharer)))
      return holders.every(count => count >= ENOUGH_HOLDERS)
    },
    LONG_MS
  )

async function findAll(newcomer: Member): Promise<void> {
  const look = async (sharer: Member) => {
    const result = await network.find(newcomer, sharer)
    const what = `${newcomer.name} looks for what ${sharer.name} shares: ${JSON.stringify(result)}`
    expect(result, what).toMatchObject({ found: true })
    expect(result.longestMs, what).toBeLessThan(LOOKUP_LIMIT_MS)
  }
  await Promise.all(network.stayers.map(look))
}

test('what those share that stay is found by every newcomer, lies with enough nodes, and the dead are forgotten', async () => {
  for (let i = 0; i < NODES; i++) await network.join()
  await everyoneIsIn()
  for (const member of network.members.filter((_, i) => i % (NODES / SHARERS) === 0)) await network.share(member)
  await network.announced()
  await everyRecordLies()
  for (let step = 0; step < STEPS; step++) {
    for (const how of LEAVE) await network.lose(how)
    // they come among the dead, which every table still names
    const newcomers = []
    for (const _ of LEAVE) newcomers.push(await network.join())
    await Promise.all(newcomers.map(findAll))
    await nobodyNamesTheDead()
    await everyoneIsIn()
    time.pass(EARLY_GAP_MS)
    await everyRecordLies()
  }
  expect(network.gone.size).toBe(STEPS * LEAVE.length)

  // nobody comes, so no table grows and nobody looks around: the dead are forgotten all the same
  for (const how of LEAVE.slice(0, 2)) await network.lose(how)
  await nobodyNamesTheDead()
}, 240_000)
