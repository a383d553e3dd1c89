/**
 * Kills shoal again and again, at every write, sync, rename and batch of the store and at random moments, and looks
 * after each kill whether anything was lost. See docs/reliability.md.
 *
 *     npm run soak:crash -- [--kills 500] [--seed N] [--minutes M]
 *
 * Takes about a second a kill. Everything runs on loopback in a temporary folder that is removed.
 */
import { cpSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { mulberry32 } from '../lab/cast.mjs'
import { formatTable } from '../lab/format.mjs'
import { Lab } from '../lab/lab.mjs'
import { makeTree, readPoints, Victim } from './victim.mjs'

/** @typedef {import('./victim.mjs').Operation} Operation */
/** @typedef {import('./victim.mjs').Kill} Kill */

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '500' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    minutes: { type: 'string', default: '60' }
  }
})
const [wanted, seed, minutes] = [Number(values.kills), Number(values.seed), Number(values.minutes)]
if (!(wanted >= 1) || !Number.isInteger(seed) || !(minutes > 0)) {
  console.error('soak: --kills, --seed and --minutes take numbers above 0')
  process.exit(2)
}

const random = mulberry32(seed)
/** @param {number} bound */
const below = bound => Math.floor(random() * bound)

const lab = new Lab('shoal-soak')
/** By operation and point. @type {Map<string, { operation: string, point: string, kills: number, lost: number }>} */
const rows = new Map()
let kills = 0
const until = Date.now() + minutes * 60_000

async function soak() {
  console.log(`seed ${seed}, ${wanted} kills`)
  for (const name of ['own', 'far']) makeTree(lab.path(name), `${name} ${seed}`)
  cpSync(lab.path('own'), lab.path('original'), { recursive: true, verbatimSymlinks: true })
  const seeder = lab.shoal('seeder', [
    ...['share', lab.path('far'), '--data-dir', lab.path('seeder')],
    ...['--listen', '/ip4/127.0.0.1/tcp/0']
  ])
  const shared = await seeder.event('shared')
  const hash = lab.shoal('hash', ['hash', lab.path('own')])
  const own = String((await hash.event('hash'))['cid'])
  const victim = new Victim(lab.folder, { own, far: String(shared['cid']) }, String(shared['link']))

  /** @type {Map<Operation, { points: Array<[string, number]>, ms: number }>} */
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

  /**
   * @param {Operation} operation
   * @param {'own' | 'far'} [what]
   * @returns {Promise<boolean>} whether it was killed
   */
  const kill = async (operation, what) => {
    const { points, ms } = known.get(operation) ?? { points: [], ms: 1000 }
    const chosen = below(4) === 0 ? undefined : points[below(points.length)]
    /** @type {Kill} */
    const how = chosen === undefined ? { afterMs: below(ms) } : { point: chosen[0], nth: 1 + below(chosen[1]) }
    const before = victim.lost.length
    const ran = await victim.run(operation, { kill: how, ...(what && { what }) })
    if (operation === 'fill') await victim.judgeFilled(ran)
    else await victim.judge()
    if (!ran.killed) return false
    kills += 1
    const point = chosen?.[0] ?? 'any moment'
    const row = rows.get(`${operation} ${point}`) ?? { operation, point, kills: 0, lost: 0 }
    rows.set(`${operation} ${point}`, row)
    row.kills += 1
    if (victim.lost.length > before) {
      row.lost += 1
      console.log(`LOST at ${operation}, ${JSON.stringify(how)}: ${victim.lost.slice(before).join('; ')}`)
    }
    if (kills % 25 === 0) console.log(`${kills} kills, ${victim.lost.length} lost`)
    return true
  }
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
  while (!isOver()) {
    lab.signal.throwIfAborted()
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
  for (const line of victim.lost) console.log(`lost: ${line}`)
  if (victim.lost.length > 0) throw new Error(`${victim.lost.length} things were lost`)
  if (kills === 0) throw new Error('nothing was killed')
}

await lab.main({
  timeoutMs: (minutes + 5) * 60_000,
  work: soak,
  onFailure: err => console.error(`soak: ${err instanceof Error ? err.message : err}`)
})
