/** Each attack beside a seeder and who fetches from it: the bytes arrive, right, and the attacker is told why it goes. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { MIB } from '../../src/base/units.ts'
import { eachWithLab, type NodeLab } from '../helpers/node-lab.ts'
import { host, until } from '../node/host/test-hosts.ts'
import { attack } from './attacker.ts'
import { ATTACKS } from './attacks.ts'

let lab: NodeLab
eachWithLab(made => {
  lab = made
})

/** Beyond what two nodes in this process need; an attacker may not cost more. */
const MAX_GROWTH_BYTES = 300 * MIB
const PIECES = 16

it.each(ATTACKS)('$name ($limit)', async ({ run, ends, victim, isBanned, hears }) => {
  const { path, bytes } = lab.file('content', PIECES * MIB)
  const seeder = await lab.start('seeder')
  const { cid, link } = await seeder.share(path)
  await seeder.setLimits({ up: 20e6 })
  const getter = await lab.start('getter')
  const banned: string[] = []
  for (const node of [seeder, getter]) node.on('peer:banned', ({ peerId }) => banned.push(peerId))
  const from = await host()
  const before = process.memoryUsage().rss
  const transfer = getter.fetch(link, { to: join(lab.dir, 'got') })
  await until('the manifest', () => transfer.snapshot().state === 'fetching')
  const streams = {
    seeder: await attack(from, seeder.addrs[0] ?? ''),
    getter: await attack(from, getter.addrs[0] ?? '')
  }
  for (const stream of Object.values(streams)) run(stream, { cid, pieceCount: PIECES, pieceBytes: MIB })
  await transfer.done
  expect(Buffer.compare(readFileSync(join(lab.dir, 'got')), bytes)).toBe(0)
  const met = streams[victim]
  if (ends !== undefined) {
    await until('the goodbye', () => met.goodbye !== undefined || met.isClosed)
    expect(met.goodbye).toBe(ends)
  }
  if (hears !== undefined) await until(`a ${hears}`, () => met.hears(hears))
  expect(banned).toEqual(isBanned === true ? [from.peerId] : [])
  expect(process.memoryUsage().rss - before).toBeLessThan(MAX_GROWTH_BYTES)
})
