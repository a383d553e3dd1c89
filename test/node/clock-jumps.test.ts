/** The wall clock leaps while nodes run, by hours and by years, ahead and back. It is that of all nodes of the process. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { HOUR_MS, MINUTE_MS } from '../../src/base/units.ts'
import { BAN_MS, BanList } from '../../src/transfer/core/ban-list.ts'
import { eachWithLab, type NodeLab } from '../helpers/node-lab.ts'

const YEAR_MS = 365 * 24 * HOUR_MS
const LEAPS: Array<[string, number]> = [
  ['three hours ahead', 3 * HOUR_MS],
  ['ten years ahead', 10 * YEAR_MS],
  ['three hours back', -3 * HOUR_MS],
  ['ten years back', -10 * YEAR_MS]
]

let lab: NodeLab
eachWithLab(fresh => {
  lab = fresh
})
beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: Date.now() }))
afterEach(() => void vi.useRealTimers())

const leap = (ms: number) => vi.setSystemTime(Date.now() + ms)

test.each(LEAPS)('a fetch goes on when the clock leaps %s, and so does one that begins then', async (_name, ms) => {
  const { path, bytes } = lab.file('film.mkv', 6_000_000)
  // certificates are valid from 1970 on
  const [a, b, c] = await Promise.all(['a', 'b', 'c'].map(name => lab.start(name, { encryption: ['tls'] })))
  if (a === undefined || b === undefined || c === undefined) throw new Error('three nodes')
  await a.setLimits({ up: 2_000_000 })
  const { link } = await a.share(path)
  const transfer = b.fetch(link, { to: join(lab.dir, 'copy.mkv') })
  await vi.waitUntil(() => transfer.snapshot().have > 500_000, { timeout: 60_000 })
  leap(ms)
  expect((await transfer.done).fetched).toBe(bytes.length)
  expect(readFileSync(join(lab.dir, 'copy.mkv')).equals(Buffer.from(bytes))).toBe(true)
  await a.setLimits({ up: null })
  expect((await c.fetch(link, { to: join(lab.dir, 'another.mkv') }).done).fetched).toBe(bytes.length)
  expect(readFileSync(join(lab.dir, 'another.mkv')).equals(Buffer.from(bytes))).toBe(true)
})

test.each(LEAPS)(
  'limits hold when the clock leaps %s: nothing comes at once, and nothing stands still',
  async (_name, ms) => {
    const { path } = lab.file('film.mkv', 4_000_000)
    const [a, b] = await Promise.all([lab.start('a'), lab.start('b')])
    await a.setLimits({ up: 1_000_000 })
    const { link } = await a.share(path)
    const start = performance.now()
    const transfer = b.fetch(link, { to: join(lab.dir, 'copy.mkv') })
    await vi.waitUntil(() => transfer.snapshot().have > 0, { timeout: 60_000 })
    leap(ms)
    await transfer.done
    // 4 MB at 1 MB/s less what a limit may send at once
    expect(performance.now() - start).toBeGreaterThan(2_000)
  }
)

test.each(LEAPS)('a ban neither ends nor lasts longer when the clock leaps %s', (_name, ms) => {
  const bans = new BanList()
  // as the swarm's host calls it: by the monotonic clock
  const until = bans.ban('12D3', systemClock.now())
  leap(ms)
  expect(bans.isBanned('12D3', systemClock.now())).toBe(true)
  expect(until - systemClock.now()).toBeGreaterThan(BAN_MS - MINUTE_MS)
  expect(bans.isBanned('12D3', systemClock.now() + BAN_MS)).toBe(false)
})

test('after a leap ahead of ten years, for which every record has expired, content is announced and found again', async () => {
  const { path, bytes } = lab.file('film.mkv', 1_000_000)
  const [hub, sharer] = await Promise.all([lab.start('hub'), lab.make('sharer')])
  const [addr = ''] = (await hub.status()).addrs
  await sharer.start()
  await sharer.connect(addr)
  const announced: string[] = []
  sharer.on('root:announced', event => announced.push(event.cid))
  const { cid } = await sharer.share(path)
  await vi.waitUntil(() => announced.length > 0, { timeout: 60_000 })
  leap(10 * YEAR_MS)
  await vi.waitUntil(() => announced.length > 1, { timeout: 60_000 })
  const getter = await lab.start('getter')
  await getter.connect(addr)
  expect((await getter.fetch(cid, { to: join(lab.dir, 'copy.mkv') }).done).fetched).toBe(bytes.length)
  expect(announced, 'once, not in a loop').toHaveLength(2)
})
