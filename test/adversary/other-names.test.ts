/** Floods under ever new names: where they come from is counted, and they come less often. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { INBOUND_BURST, OFFENCE_COST } from '../../src/node/host/inbound-rate.ts'
import { TYPE_GO_AWAY } from '../../src/node/transport/yamux/frame.ts'
import { eachWithLab, type NodeLab } from '../helpers/node-lab.ts'
import { addrOf, host, until } from '../node/host/test-hosts.ts'
import { attack } from './attacker.ts'
import { MUXER_ATTACKS } from './muxer-attacks.ts'
import { rawDialer } from './raw-connection.ts'

const BEFORE = 24
/** So many may come of a burst, each of which is ended for an offence: the last one pays with what it does not have. */
const most = (burst: number) => Math.ceil(burst / (OFFENCE_COST + 1))
let lab: NodeLab
eachWithLab(made => (lab = made))

// No time passes: on a slow machine what is taken from a burst comes back as fast.
beforeEach(() => void vi.spyOn(systemClock, 'now').mockReturnValue(systemClock.now()))
afterEach(() => void vi.restoreAllMocks())

const PINGS = MUXER_ATTACKS.find(({ name }) => name === 'pings')

it.each([
  ['waits for its end', false],
  ['hangs up as it is told', true]
])('each connection that was ended for a flood makes the next ones rarer, where it %s', async (_, hangsUp) => {
  const victim = await host()
  // most of what its host may do is done
  for (let at = 0; at < BEFORE; at++) victim.offended(addrOf(victim))
  const expected = most(INBOUND_BURST - BEFORE * OFFENCE_COST)
  let ended = 0
  let refused = 0
  while (refused < 3 && ended <= expected) {
    // each has a key of its own
    const dialer = await rawDialer()
    try {
      const connection = await dialer.dial(addrOf(victim)).catch(() => undefined)
      if (connection === undefined) {
        refused += 1
        continue
      }
      PINGS?.run(connection)
      const isTold = () => hangsUp && connection.heard.some(({ type }) => type === TYPE_GO_AWAY)
      await until('its end', () => connection.isClosed || isTold())
      connection.abort()
      ended += 1
    } finally {
      await dialer.stop()
    }
  }
  expect({ ended, refused }).toEqual({ ended: expected, refused: 3 })
})

it('so does each session with a node that broke a rule', async () => {
  const victim = await lab.start('victim')
  const addr = (await victim.status()).addrs[0] ?? ''
  let ended = 0
  while (ended <= most(INBOUND_BURST)) {
    const stream = await attack(await host({ listen: [] }), addr).catch(() => undefined)
    if (stream === undefined) break
    stream.say({ type: 'interested' })
    await until('a goodbye', () => stream.goodbye !== undefined)
    ended += 1
  }
  expect(ended).toBe(most(INBOUND_BURST))
})
