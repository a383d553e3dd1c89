/** Each attack on the muxer of a seeder and of who fetches from it: the connection ends, with the reason; the bytes come. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { MIB } from '../../src/base/units.ts'
import { eachWithLab, type NodeLab } from '../helpers/node-lab.ts'
import { until } from '../node/host/test-hosts.ts'
import { MUXER_ATTACKS } from './muxer-attacks.ts'
import { type RawDialer, rawDialer } from './raw-connection.ts'

const MAX_GROWTH_BYTES = 300 * MIB
/** Of a go-away: an error of protocol. */
const PROTOCOL_ERROR = 1

let lab: NodeLab
eachWithLab(made => {
  lab = made
})
let dialer: RawDialer | undefined
afterEach(() => dialer?.stop())

it.each(MUXER_ATTACKS)('$name ($limit)', async ({ run, isEnded }) => {
  const { path, bytes } = lab.file('content', 12 * MIB)
  const seeder = await lab.start('seeder')
  const { link } = await seeder.share(path)
  await seeder.setLimits({ up: 20e6 })
  const getter = await lab.start('getter')
  dialer = await rawDialer()
  const before = process.memoryUsage().rss
  const connections = [await dialer.dial(seeder.addrs[0] ?? ''), await dialer.dial(getter.addrs[0] ?? '')]
  const transfer = getter.fetch(link, { to: join(lab.dir, 'got') })
  for (const connection of connections) {
    // one that breaks off in the middle of the handshake is told nothing
    await until('the handshake', () => connection.heard.length > 0)
    run(connection)
  }
  await transfer.done
  expect(Buffer.compare(readFileSync(join(lab.dir, 'got')), bytes)).toBe(0)
  if (isEnded) {
    for (const connection of connections) {
      await until('the end of the connection', () => connection.isClosed)
      expect(connection.goAway).toBe(PROTOCOL_ERROR)
    }
  }
  expect(process.memoryUsage().rss - before).toBeLessThan(MAX_GROWTH_BYTES)
})
