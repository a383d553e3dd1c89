/**
 * The measurements: each starts processes of the real program, and gives rows of figures. A row is one figure of one
 * run; the same row of all runs becomes one line of the table, with the median.
 */
import { rm } from 'node:fs/promises'
import { compareTrees } from '../lab/compare.mjs'
import { hostile, hostileRest } from './hostile.mjs'
import { warm, writeBigFile, writeManyFiles } from './inputs.mjs'
import { limits } from './limits.mjs'
import { startup } from './startup.mjs'
import { copyFolder, copyOverTcp, hashWithNode } from './yardsticks.mjs'

/** @typedef {import('../lab/lab.mjs').Lab} Lab */
/**
 * @typedef {object} Row
 * @property {string} what
 * @property {'B/s' | 'B' | 'ms'} unit
 * @property {number} value
 * @property {string} [yardstick] what it is compared with
 * @property {number} [yardstickValue] in the same unit
 * @property {{ atLeast?: number, atMost?: number }} [floor] what the project promises
 * @property {{ atLeast?: number, atMost?: number }} [ratio] the same, of value over yardstick
 */
/** @typedef {{ name: string, prepare?: (lab: Lab) => Promise<void>, run: (lab: Lab) => Promise<Row[]> }} Measure */

const MIB = 1 << 20
const GIB = 1 << 30
const LISTEN = ['--listen', '/ip4/127.0.0.1/tcp/0']
const SMALL_FILES = 10_000
/** DET(1 GiB, "v1-2025-seed") of IPIP-499, with the CID that other implementations give it. */
const SEED = 'v1-2025-seed'
const CID_OF_1_GIB = 'bafybeihmf37wcuvtx4hpu7he5zl5qaf2ineo2lqlfrapokkm5zzw7zyhvm'

/** @param {number} bytes */
const bigFile = bytes => `big-${bytes / GIB}-GiB`

/** @param {Lab} lab @param {number} bytes */
async function prepareBig(lab, bytes) {
  const path = lab.path(bigFile(bytes))
  await writeBigFile(path, bytes, { seed: SEED, signal: lab.signal })
  warm(path)
}

/** @type {Measure} */
const hash = {
  name: 'hash',
  prepare: lab => prepareBig(lab, GIB),
  run: async lab => {
    const file = lab.path(bigFile(GIB))
    const yardstickMs = await hashWithNode(lab, file)
    const run = lab.shoal('shoal hash', ['hash', file, '--data-dir', lab.path('hash-data')])
    const { cid, atMs } = await run.event('hash', lab)
    await run.success(lab)
    if (cid !== CID_OF_1_GIB) throw new Error(`shoal hash gave ${cid}, not ${CID_OF_1_GIB}`)
    return [
      {
        what: 'hash 1 GiB',
        unit: 'B/s',
        value: GIB / (Number(atMs) / 1000),
        yardstick: "node's SHA-256, 1 core",
        yardstickValue: GIB / (yardstickMs / 1000),
        floor: { atLeast: 1e9 }
      }
    ]
  }
}

/**
 * One process shares, another fetches; both keep running until their memory was read.
 *
 * @param {Lab} lab
 * @param {string} path of what is shared
 */
async function pair(lab, path) {
  const seeder = lab.shoal('seeder', ['share', path, '--data-dir', lab.path('seeder'), ...LISTEN])
  const { link, size, atMs: sharedMs } = await seeder.event('shared', lab)
  const args = ['get', link, '-o', lab.path('got'), '--seed', '--data-dir', lab.path('getter'), ...LISTEN]
  const getter = lab.shoal('getter', args)
  const { atMs: gotMs, seconds } = await getter.event('done', lab)
  const memory = { seeder: seeder.memory()?.peakBytes ?? Number.NaN, getter: getter.memory()?.peakBytes ?? Number.NaN }
  const cpuMs = (seeder.cpuMs() ?? Number.NaN) + (getter.cpuMs() ?? Number.NaN)
  for (const program of [getter, seeder]) {
    program.kill('SIGTERM')
    await program.success(lab)
  }
  const { differences } = await compareTrees(path, lab.path('got'), lab)
  if (differences.length > 0) throw new Error(`what arrived differs: ${differences.join('; ')}`)
  for (const used of ['seeder', 'getter', 'got']) await rm(lab.path(used), { recursive: true, force: true })
  return {
    size: Number(size),
    sharedMs: Number(sharedMs),
    gotMs: Number(gotMs),
    seconds: Number(seconds),
    cpuMs,
    memory
  }
}

/** @param {number} bytes @returns {Measure} */
const pairOf = bytes => ({
  name: bytes === GIB ? 'pair' : 'big',
  prepare: lab => prepareBig(lab, bytes),
  run: async lab => {
    const file = lab.path(bigFile(bytes))
    const plainMs = await copyOverTcp(lab, file, lab.path('plain'))
    await rm(lab.path('plain'))
    const { size, gotMs, seconds, cpuMs, memory } = await pair(lab, file)
    const yardstick = 'plain TCP, file to file'
    const label = `${bytes / GIB} GiB`
    return [
      {
        what: `get ${label}, start to done`,
        unit: 'B/s',
        value: size / (gotMs / 1000),
        yardstick,
        yardstickValue: size / (plainMs / 1000),
        floor: { atLeast: 120e6 }
      },
      { what: `get ${label}, by its own clock`, unit: 'B/s', value: size / seconds },
      { what: `both sides' processor time, ${label}`, unit: 'ms', value: cpuMs },
      { what: `seeder's peak memory, ${label}`, unit: 'B', value: memory.seeder, floor: { atMost: 250 * MIB } },
      { what: `getter's peak memory, ${label}`, unit: 'B', value: memory.getter, floor: { atMost: 250 * MIB } }
    ]
  }
})

/** @type {Measure} */
const four = {
  name: 'four',
  prepare: lab => prepareBig(lab, GIB),
  run: async lab => {
    const file = lab.path(bigFile(GIB))
    /** @param {number} count @returns {Promise<number>} seconds by the getter's clock */
    const fetchFrom = async count => {
      const dirs = Array.from({ length: count }, (_, i) => lab.path(`seeder-${i}`))
      const seeders = dirs.map((dir, i) => lab.shoal(`seeder ${i}`, ['share', file, '--data-dir', dir, ...LISTEN]))
      const links = await Promise.all(seeders.map(async seeder => String((await seeder.event('shared', lab))['link'])))
      const peers = links.flatMap(link => ['--peer', new URL(link).searchParams.get('peer') ?? ''])
      const args = ['get', links[0] ?? '', '-o', lab.path('got'), '--data-dir', lab.path('getter'), ...peers, ...LISTEN]
      const getter = lab.shoal('getter', args)
      const { seconds } = await getter.event('done', lab)
      await getter.success(lab)
      for (const seeder of seeders) {
        seeder.kill('SIGTERM')
        await seeder.success(lab)
      }
      for (const used of [...dirs, lab.path('getter'), lab.path('got')])
        await rm(used, { recursive: true, force: true })
      return Number(seconds)
    }
    const one = await fetchFrom(1)
    const four = await fetchFrom(4)
    return [
      {
        ...{ what: 'four seeders to one leecher, 1 GiB', unit: 'B/s', value: GIB / four },
        ...{ yardstick: 'one seeder', yardstickValue: GIB / one, ratio: { atLeast: 0.8 } }
      }
    ]
  }
}

/** @type {Measure} */
const many = {
  name: 'many',
  prepare: async lab => writeManyFiles(lab.path('many'), SMALL_FILES, 4096),
  run: async lab => {
    const copiedMs = await copyFolder(lab, lab.path('many'), lab.path('many-copied'))
    await rm(lab.path('many-copied'), { recursive: true })
    const { sharedMs, gotMs } = await pair(lab, lab.path('many'))
    return [
      { what: 'share 10,000 files of 4 KiB', unit: 'ms', value: sharedMs },
      { what: 'get 10,000 files of 4 KiB', unit: 'ms', value: gotMs },
      {
        what: 'both together',
        unit: 'ms',
        value: sharedMs + gotMs,
        yardstick: 'cp -r',
        yardstickValue: copiedMs,
        floor: { atMost: 15_000 }
      }
    ]
  }
}

/** Those of a plain run, in order. */
export const measures = [hash, pairOf(GIB), four, startup, many]
/** Only when named: what takes minutes and says nothing of speed. */
export const namedMeasures = [limits, hostile, hostileRest]
/** With `--big`: what takes minutes and 8 GiB of disk. */
export const bigMeasures = [pairOf(4 * GIB)]
