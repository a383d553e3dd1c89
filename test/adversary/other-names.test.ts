/** Floods under ever new names: where they come from is counted, and they come less often. */
import { expect, it } from 'vitest'
import { INBOUND_BURST, INBOUND_PER_SEC, OFFENCE_COST } from '../../src/node/host/inbound-rate.ts'
import { TYPE_GO_AWAY } from '../../src/node/transport/yamux/frame.ts'
import { eachWithLab, type NodeLab } from '../helpers/node-lab.ts'
import { addrOf, host, until } from '../node/host/test-hosts.ts'
import { attack } from './attacker.ts'
import { MUXER_ATTACKS } from './muxer-attacks.ts'
import { rawDialer } from './raw-connection.ts'

const BEFORE = 24
let lab: NodeLab
eachWithLab(made => (lab = made))

const PINGS = MUXER_ATTACKS.find(({ name }) => name === 'pings')

it.each([
  ['waits for its end', false],
  ['hangs up as it is told', true]
])(
  'each connection that was ended for a flood makes the next ones rarer, where it %s',
  async (_, hangsUp) => {
    const victim = await host()
    const begun = performance.now()
    // most of what its host may do is done
    for (let at = 0; at < BEFORE; at++) victim.offended(addrOf(victim))
    let ended = 0
    let refused = 0
    while (refused < 3) {
      // each has a key of its own
      const dialer = await rawDialer()
      try {
        const connection = await dialer.dial(addrOf(victim))
        PINGS?.run(connection)
        const isTold = () => hangsUp && connection.heard.some(({ type }) => type === TYPE_GO_AWAY)
        await until('its end', () => connection.isClosed || isTold())
        connection.abort()
        ended += 1
      } catch {
        refused += 1
      } finally {
        await dialer.stop()
      }
      if (ended > INBOUND_BURST) break
    }
    const seconds = (performance.now() - begun) / 1000
    expect(refused).toBe(3)
    expect(ended).toBeLessThanOrEqual(
      (INBOUND_BURST + INBOUND_PER_SEC * seconds - BEFORE * OFFENCE_COST) / (OFFENCE_COST + 1) + 2
    )
    expect(ended).toBeGreaterThan(0)
  },
  120_000
)

it('so does each session with a node that broke a rule', async () => {
  const victim = await lab.start('victim')
  const addr = (await victim.status()).addrs[0] ?? ''
  const begun = performance.now()
  const most = () => (INBOUND_BURST + (INBOUND_PER_SEC * (performance.now() - begun)) / 1000) / (OFFENCE_COST + 1) + 1
  let ended = 0
  for (let isRefused = false; !isRefused && ended <= most(); ) {
    const hostile = await host({ listen: [] })
    try {
      const stream = await attack(hostile, addr)
      stream.say({ type: 'interested' })
      await until('a goodbye', () => stream.goodbye !== undefined)
      ended += 1
    } catch {
      isRefused = true
    }
  }
  expect(ended).toBeGreaterThan(INBOUND_BURST / OFFENCE_COST / 2)
  expect(ended).toBeLessThanOrEqual(most())
}, 120_000)
