/** The real program, killed at twenty named points. The soak does it by the hundred: `npm run soak:crash`. */
import { cpSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { makeTree, type Operation, Victim } from '../../scripts/soak/victim.mjs'
import { Lab, LOOPBACK } from '../helpers/cli.ts'
import { requireBuild } from '../project/built.ts'

const lab = new Lab()
let victim: Victim

beforeAll(async () => {
  requireBuild()
  for (const name of ['own', 'far']) makeTree(lab.path(name), name)
  cpSync(lab.path('own'), lab.path('original'), { recursive: true, verbatimSymlinks: true })
  const seeder = lab.cli(['share', 'far', '--json', '--data-dir', lab.path('seeder'), '--listen', LOOPBACK])
  const shared = await seeder.event('shared')
  const hash = await lab.run(['hash', 'own', '--json'])
  const cids = { own: String(hash.events[0]?.['cid']), far: String(shared['cid']) }
  victim = new Victim(lab.dir, cids, String(shared['link']))
})
afterAll(async () => {
  await lab.close()
})

/** In this order: a fetch that was killed goes on at the next. */
const KILLS: ReadonlyArray<readonly [Operation, string, number?]> = [
  ['share', 'disk.mkdirs:done'],
  ['share', 'level.batch'],
  ['share', 'disk.rename'],
  ['share', 'level.batch:done'],
  ['get', 'disk.mkdir:done'],
  ['get', 'level.batch'],
  ['get', 'file.writev', 2],
  ['get', 'file.writev:done', 3],
  ['get', 'file.datasync:done'],
  ['get', 'threads.run'],
  ['get', 'disk.symlink:done'],
  ['get', 'level.batch:done'],
  ['get', 'disk.syncFolder'],
  ['get', 'disk.rename'],
  ['get', 'disk.rename:done'],
  ['verify', 'level.close'],
  ['rm', 'disk.rename:done'],
  ['rm', 'level.batch:done'],
  ['fill', 'level.batch', 40],
  ['fill', 'level.batch:done', 70]
]

it(`survives ${KILLS.length} kills`, { timeout: 240_000 }, async () => {
  let last: Operation = 'share'
  for (const [operation, point, nth = 1] of KILLS) {
    // What was killed comes to its end before the next begins.
    if (operation !== last && last !== 'fill') await victim.run(last)
    last = operation
    const kill = { point, nth }
    const ran = await victim.run(operation, { kill, ...(operation === 'rm' && { what: 'own' as const }) })
    expect([operation, point, ran.killed], ran.stderr).toEqual([operation, point, true])
    if (operation === 'fill') await victim.judgeFilled(ran)
    else await victim.judge()
    expect([operation, point, victim.lost]).toEqual([operation, point, []])
  }
  await victim.run('share')
  await victim.run('verify')
  await victim.run('rm', { what: 'far' })
  await victim.judge()
  expect([victim.lost, victim.hasLeftovers]).toEqual([[], false])
  expect(victim.recordedPieces).toBeGreaterThan(0)
})
