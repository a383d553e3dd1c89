/** Each attack on a seeder and on who fetches from it: the bytes arrive, right, and the attacker is told why it goes. */
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

it.each(ATTACKS)('$name', async ({ run, ends }) => {
  const { path, bytes } = lab.file('content', 24 * MIB)
  const seeder = await lab.start('seeder')
  const { cid, link } = await seeder.share(path)
  await seeder.setLimits({ up: 20e6 })
  const getter = await lab.start('getter')
  const from = await host()
  const before = process.memoryUsage().rss
  const [seederAddr, getterAddr] = [seeder.addrs[0] ?? '', getter.addrs[0] ?? '']
  const transfer = getter.fetch(link, { to: join(lab.dir, 'got') })
  const streams = [await attack(from, seederAddr), await attack(from, getterAddr)]
  for (const stream of streams) run(stream, cid)
  await transfer.done
  expect(Buffer.compare(readFileSync(join(lab.dir, 'got')), bytes)).toBe(0)
  if (ends !== undefined) {
    const [first] = streams
    await until('the goodbye', () => first?.goodbye !== undefined)
    expect(first?.goodbye).toBe(ends)
  }
  expect(process.memoryUsage().rss - before).toBeLessThan(MAX_GROWTH_BYTES)
})
