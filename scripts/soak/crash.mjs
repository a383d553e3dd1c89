/**
 * Kills shoal again and again, at every write, sync, rename and batch of the store and at random moments, and looks
 * after each kill whether anything was lost. See docs/reliability.md.
 *
 *     npm run soak:crash -- [--kills 500] [--seed N] [--minutes M] [--large MB]
 *
 * Takes one to three seconds a kill. Everything runs on loopback in a temporary folder that is removed.
 */
import { cpSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { mulberry32 } from '../lab/cast.mjs'
import { formatTable } from '../lab/format.mjs'
import { Lab } from '../lab/lab.mjs'
import { Hoard, makeThing, THINGS } from './hoard.mjs'
import { readPoints } from './killed.mjs'
import { makeTree, Victim } from './victim.mjs'

/** @typedef {import('./victim.mjs').Operation} Operation */
/** @typedef {import('./hoard.mjs').HoardOperation} HoardOperation */
/** @typedef {import('./hoard.mjs').Thing} Thing */
/** @typedef {import('./killed.mjs').Kill} Kill */

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '500' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    minutes: { type: 'string', default: '60' },
    // of the large file: from some 40 on, disk threads write it
    large: { type: 'string', default: '5.3' }
  }
})
const [wanted, seed, minutes] = [Number(values.kills), Number(values.seed), Number(values.minutes)]
const largeBytes = Math.round(Number(values.large) * 1e6)
if (!(wanted >= 1) || !Number.isInteger(seed) || !(minutes > 0) || !(largeBytes > 0)) {
  console.error('soak: --kills, --seed, --minutes and --large take numbers above 0')
  process.exit(2)
}

const random = mulberry32(seed)
/** @param {number} bound */
const below = bound => Math.floor(random() * bound)

/** Points of what is deleted: files and folders of a root, its records, what gc finds. */
const DELETIONS = /^(disk\.(unlink|rmdir|remove)|level\.clear)/
const lab = new Lab('shoal-soak')
/** By operation and point. @type {Map<string, { operation: string, point: string, kills: number, lost: number }>} */
const rows = new Map()
let kills = 0
const until = Date.now() + minutes * 60_000

async function soak() {
  console.log(`seed ${seed}, ${wanted} kills`)
  for (const name of ['own', 'far']) makeTree(lab.path(name), `${name} ${seed}`, largeBytes)
  cpSync(lab.path('own'), lab.path('original'), { recursive: true, verbatimSymlinks: true })
  const seeder = lab.shoal('seeder', [
    ...['share', lab.path('far'), '--data-dir', lab.path('seeder')],
    ...['--listen', '/ip4/127.0.0.1/tcp/0']
  ])
  const shared = await seeder.event('shared')
  const hash = lab.shoal('hash', ['hash', lab.path('own')])
  const own = String((await hash.event('hash'))['cid'])
  const cids = { own, far: String(shared['cid']) }
  const victim = new Victim(lab.folder, cids, String(shared['link']), Math.max(5_000_000, largeBytes))
  const hoard = await makeHoard()
  const lost = () => [...victim.lost, ...hoard.lost]

  /** @type {Map<Operation | HoardOperation, { points: Array<[string, number]>, ms: number }>} */
  const known = new Map()
  /** The points of each operation, from one run of each that nothing disturbs. */
  for (const operation of /** @type {const} */ (['share', 'get', 'verify', 'rm'])) {
    const log = lab.path(`points-${operation}`)
    const what = operation === 'rm' ? 'far' : undefined
    const { ms } = await victim.run(operation, { pointLog: log, ...(what && { what }) })
    known.set(operation, { points: [...readPoints(log)], ms })
  }
  victim.clearFetched()
  await victim.run('rm')
  known.set('fill', {
    points: [
      ['level.batch', 60],
      ['level.batch:done', 60]
    ],
    ms: 2500
  })

  for (const [operation, what] of /** @type {Array<[HoardOperation, Thing]>} */ ([
    ...[
      ['fetch', 'a'],
      ['unpin', 'a'],
      ['pin', 'a'],
      ['unpin', 'a'],
      ['fetch', 'b']
    ],
    ...[
      ['gc', 'b'],
      ['unpin', 'b'],
      ['settle', 'b']
    ]
  ])) {
    const log = lab.path(`points-${operation}-${what}`)
    const { ms } = await hoard.run(operation, { what, pointLog: log })
    // The second fetch is the one that has to make room.
    known.set(operation, { points: [...readPoints(log)], ms })
  }

  /**
   * @param {Operation | HoardOperation} operation
   * @param {boolean} isDeleting every other kill is amid what it deletes, which a fetch does once and briefly
   * @returns {{ how: Kill, point: string }}
   */
  const chooseKill = (operation, isDeleting) => {
    const { points: all, ms } = known.get(operation) ?? { points: [], ms: 1000 }
    const deletions = isDeleting && below(2) === 0 ? all.filter(([point]) => DELETIONS.test(point)) : []
    const points = deletions.length > 0 ? deletions : all
    const chosen = below(4) === 0 ? undefined : points[below(points.length)]
    return chosen === undefined
      ? { how: { afterMs: below(ms) }, point: 'any moment' }
      : { how: { point: chosen[0], nth: 1 + below(chosen[1]) }, point: chosen[0] }
  }

  /**
   * @param {Operation | HoardOperation} operation
   * @param {(kill: Kill) => Promise<import('./killed.mjs').Ran>} run with a look at what is left
   * @param {boolean} [isDeleting]
   * @returns {Promise<boolean>} whether it was killed
   */
  const killOne = async (operation, run, isDeleting = false) => {
    const { how, point } = chooseKill(operation, isDeleting)
    const before = lost()
    const ran = await run(how)
    if (!ran.killed) return false
    kills += 1
    const row = rows.get(`${operation} ${point}`) ?? { operation, point, kills: 0, lost: 0 }
    rows.set(`${operation} ${point}`, row)
    row.kills += 1
    const fresh = lost().filter(line => !before.includes(line))
    if (fresh.length > 0) {
      row.lost += 1
      console.log(`LOST at ${operation}, ${JSON.stringify(how)}: ${fresh.join('; ')}`)
    }
    if (kills % 25 === 0) console.log(`${kills} kills, ${lost().length} lost`)
    return true
  }
  /** @param {Operation} operation @param {'own' | 'far'} [what] */
  const kill = (operation, what) =>
    killOne(operation, async how => {
      const ran = await victim.run(operation, { kill: how, ...(what && { what }) })
      if (operation === 'fill') await victim.judgeFilled(ran)
      else await victim.judge()
      return ran
    })
  const isOver = () => kills >= wanted || Date.now() > until
  /** Killed some times, then to its end. @param {Operation} operation @param {'own' | 'far'} what @param {number} times */
  const killAndFinish = async (operation, what, times) => {
    if (isOver()) return
    let left = times
    let hasEnded = false
    while (left > 0 && !hasEnded) {
      hasEnded = !(await kill(operation, what))
      left -= 1
    }
    if (!hasEnded) await victim.run(operation, { what })
    await victim.judge()
  }
  /** The same in the folder under a limit. @param {HoardOperation} operation @param {Thing} what @param {number} times */
  const hoardAndFinish = async (operation, what, times) => {
    if (isOver()) return
    for (let left = times; left > 0; left--) {
      const isDeleting = operation !== 'fetch' || hoard.needsRoom(what)
      if (!(await killOne(operation, how => hoard.run(operation, { what, kill: how }), isDeleting))) return
      // What a start under a lower limit was to delete may be gone, and a second one would find nothing to do.
      if (operation === 'settle' && hoard.stateOf(what).state === 'absent') return
    }
    await hoard.run(operation, { what })
  }
  /** One thing after the other, each of which the one before has to make room for. @param {Thing} what @param {Thing} next */
  const hoardRound = async (what, next) => {
    await hoardAndFinish('fetch', what, 1 + below(4))
    await hoardAndFinish('gc', what, 1 + below(2))
    if (below(2) === 0) {
      await hoardAndFinish('pin', what, below(2))
      // Nothing may go for it: it is refused.
      await hoardAndFinish('fetch', next, below(2))
    }
    await hoardAndFinish('unpin', what, 1 + below(2))
    if (below(3) === 0) await hoardAndFinish('settle', what, 1 + below(2))
  }
  while (!isOver()) {
    lab.signal.throwIfAborted()
    await hoardRound('a', 'b')
    await hoardRound('b', 'a')
    await killAndFinish('share', 'own', 2 + below(3))
    await killAndFinish('get', 'far', 4 + below(5))
    await killAndFinish('verify', 'far', below(2))
    await killAndFinish('verify', 'own', below(2))
    await killAndFinish('rm', 'far', 1 + below(3))
    if (victim.hasLeftovers) victim.lost.push('a temporary file stayed after rm')
    victim.clearFetched()
    await killAndFinish('rm', 'own', 1 + below(3))
    for (let times = 1 + below(3); times > 0 && !isOver(); times--) await kill('fill')
  }
  const table = [...rows.values()].sort(
    (a, b) => a.operation.localeCompare(b.operation) || a.point.localeCompare(b.point)
  )
  const lines = formatTable(
    ['operation', 'point', 'kills', 'survived', 'lost'],
    table.map(row => [row.operation, row.point, `${row.kills}`, `${row.kills - row.lost}`, `${row.lost}`])
  )
  console.log(lines.join('\n'))
  console.log(
    `${kills} kills, seed ${seed}; ${victim.recordedPieces} recorded pieces seen again, ${victim.hashedPieces} others hashed`
  )
  for (const line of lost()) console.log(`lost: ${line}`)
  if (lost().length > 0) throw new Error(`${lost().length} things were lost`)
  if (kills === 0) throw new Error('nothing was killed')
}

/** A folder that holds one thing for good, and may fetch two more that do not fit together. */
async function makeHoard() {
  const { addr, dataDir } = await startSharer()
  /** @type {Array<[Thing, string]>} */
  const links = []
  for (const thing of THINGS) {
    makeThing(lab.path('things', thing), `${thing} ${seed}`)
    const sharing = lab.shoal(`share ${thing}`, ['share', lab.path('things', thing), '--data-dir', dataDir])
    links.push([thing, String((await sharing.event('shared'))['link'])])
  }
  const from = { sources: lab.path('things'), links: /** @type {Record<Thing, string>} */ (Object.fromEntries(links)) }
  const hoard = new Hoard(lab.path('hoard'), { ...from, peer: addr })
  await hoard.open()
  return hoard
}

async function startSharer() {
  const dataDir = lab.path('sharer')
  const sharer = lab.shoal('sharer', ['daemon', '--data-dir', dataDir, '--listen', '/ip4/127.0.0.1/tcp/0'])
  const [addr] = /** @type {string[]} */ ((await sharer.event('ready'))['addrs'])
  return { addr: String(addr), dataDir }
}

await lab.main({
  timeoutMs: (minutes + 5) * 60_000,
  work: soak,
  onFailure: err => console.error(`soak: ${err instanceof Error ? err.message : err}`)
})
