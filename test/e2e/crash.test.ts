/** The real program, killed at named points: twenty of a usual day, and some of a node under a storage limit. The soak does it by the hundred: `npm run soak:crash`. */
import { cpSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Hoard, type HoardOperation, makeThing, THINGS, type Thing } from '../../scripts/soak/hoard.mjs'
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

/** In this order: `b` does not fit beside `a`, which was let go. */
const LIMITED: ReadonlyArray<readonly [HoardOperation, Thing, string, number?]> = [
  ['unpin', 'a', 'level.batch:done'],
  ['pin', 'a', 'level.batch'],
  ['gc', 'a', 'disk.remove'],
  ['unpin', 'a', 'level.batch'],
  ['fetch', 'b', 'disk.unlink:done', 2],
  ['fetch', 'b', 'file.datasync:done'],
  ['unpin', 'b', 'level.close'],
  ['settle', 'b', 'disk.unlink']
]

it(`survives ${LIMITED.length} kills under a storage limit`, { timeout: 240_000 }, async () => {
  const { addr, dataDir } = await lab.daemon('sharer')
  const links: Array<[Thing, string]> = []
  for (const thing of THINGS) {
    makeThing(lab.path('things', thing), thing)
    const { events } = await lab.run(['share', lab.path('things', thing), '--json', '--data-dir', dataDir])
    links.push([thing, String(events[0]?.['link'])])
  }
  const from = { sources: lab.path('things'), links: Object.fromEntries(links) as Record<Thing, string> }
  const hoard = new Hoard(lab.path('hoard'), { ...from, peer: addr })
  await hoard.open()
  await hoard.run('fetch', { what: 'a' })
  for (const [i, [operation, what, point, nth = 1]] of LIMITED.entries()) {
    const ran = await hoard.run(operation, { what, kill: { point, nth } })
    expect([operation, point, ran.killed], ran.stderr).toEqual([operation, point, true])
    expect([operation, point, hoard.lost]).toEqual([operation, point, []])
    // what was killed comes to its end before the next begins; a start that deleted has nothing more to do
    if (operation !== 'settle' && operation !== LIMITED[i + 1]?.[0]) await hoard.run(operation, { what })
  }
  // what is pinned is not made room with
  await hoard.run('fetch', { what: 'a' })
  await hoard.run('fetch', { what: 'b' })
  await hoard.run('gc')
  expect(hoard.lost).toEqual([])
  expect(THINGS.map(thing => hoard.stateOf(thing))).toEqual([
    { state: 'complete', pinned: true },
    { state: 'complete', pinned: true },
    { state: 'absent', pinned: true }
  ])
})
