/** Who connects and says nothing is waited for a while, and keeps nobody else out. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { MIB } from '../../src/base/units.ts'
import { MAX_PENDING } from '../../src/node/host/pending-inbound.ts'
import { eachWithLab, type NodeLab } from '../helpers/node-lab.ts'
import { addrOf, host, until } from '../node/host/test-hosts.ts'
import { type HalfOpen, halfOpen, NONSENSE, STAGES } from './half-open.ts'

let lab: NodeLab
eachWithLab(made => {
  lab = made
})
const open: HalfOpen[] = []
afterEach(() => {
  for (const { socket } of open.splice(0)) socket.destroy()
})

async function come(addr: string, bytes: Uint8Array, localAddress?: string): Promise<HalfOpen> {
  const made = await halfOpen(addr, bytes, localAddress)
  open.push(made)
  return made
}

/** An honest one is done with it by then, on a slow machine too. */
const HANDSHAKE_MS = 5_000

describe('a handshake', () => {
  it('of a part and then silence is ended, whatever the part (handshakeTimeoutMs)', async () => {
    const victim = await host({ handshakeTimeoutMs: HANDSHAKE_MS })
    const silent = await Promise.all(STAGES.map(({ bytes }) => come(addrOf(victim), bytes)))
    for (const [at, { name }] of STAGES.entries())
      await until(`the end of ${name}`, () => silent[at]?.isClosed === true)
    const honest = await host()
    expect(await honest.dialer.connectTo(addrOf(victim))).toBe(victim.peerId)
  })

  it.each(NONSENSE)('of $name is ended at once', async ({ bytes }) => {
    // of no use within the time of the test
    const victim = await host({ handshakeTimeoutMs: 600_000 })
    const stranger = await come(addrOf(victim), bytes)
    await until('the end of it', () => stranger.isClosed)
  })
})

describe('a flood of connections that are silent (MAX_PENDING)', () => {
  const COUNT = 1.5 * MAX_PENDING

  it.each(STAGES)('after $name keeps nobody out: the oldest are ended', async ({ bytes }) => {
    // none of them is ended because its time is up
    const victim = await host({ handshakeTimeoutMs: 600_000 })
    for (let at = 0; at < COUNT; at++) await come(addrOf(victim), bytes)
    await until('those beyond the limit are ended', () => open.filter(({ isClosed }) => isClosed).length >= COUNT / 4)
    const honest = await host()
    expect(await honest.dialer.connectTo(addrOf(victim))).toBe(victim.peerId)
    expect(open[0]?.isClosed).toBe(true)
    expect(open.at(-1)?.isClosed).toBe(false)
  })

  it('goes on beside a fetch', async () => {
    const { path, bytes: content } = lab.file('content', 4 * MIB)
    const seeder = await lab.start('seeder')
    const { link } = await seeder.share(path)
    const flooding = STAGES.map(async ({ bytes }) => {
      for (let at = 0; at < COUNT / STAGES.length; at++) await come(seeder.addrs[0] ?? '', bytes)
    })
    const getter = await lab.start('getter')
    await getter.fetch(link, { to: join(lab.dir, 'got') }).done
    expect(Buffer.compare(readFileSync(join(lab.dir, 'got')), content)).toBe(0)
    await Promise.all(flooding)
  })
})
