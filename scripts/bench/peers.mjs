/**
 * shoal beside the tools that a user would pick instead, by the peer benchmark that PEERBENCH names: each row's ratio is
 * that of medians of one run, ours over theirs. See docs/performance.md.
 */
import { readFileSync } from 'node:fs'
import { joinWords } from '../lab/format.mjs'
import { checkMachine, findBenchmark, runBenchmark, toolVersion } from './peerbench.mjs'

/** @typedef {import('../lab/lab.mjs').Lab} Lab */
/** @typedef {import('./measures.mjs').Row} Row */
/** @typedef {import('./measures.mjs').Measure} Measure */
/** @typedef {Record<string, number> & { driver: string }} Figures medians as the benchmark names them */

const MIB = 1 << 20
const GIB = 1 << 30
const SMALL_FILES = '10000'
const RUN_TIMEOUT_S = '110'

/** The ratios that shoal is to have, of ours over theirs. */
const PAIR_TOOLS = { libtorrent: 1, webtorrent: 1.5, aria2: undefined }

/** Whose figures can be had here. @param {readonly string[]} tools */
function installed(tools) {
  const folder = findBenchmark()
  return tools.filter(tool => toolVersion(folder, tool) !== undefined)
}

/**
 * @param {Lab} lab
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<Map<string, Figures>>} by tool
 */
async function benchmark(lab, args, env = {}) {
  const json = lab.path('peerbench.json')
  const { code, said } = await runBenchmark(findBenchmark(), [...args, '--timeout', RUN_TIMEOUT_S, '--json', json], {
    signal: lab.signal,
    env,
    onRun: () => {},
    onNote: line => console.error(`  ${line}`)
  })
  if (code !== 0) throw new Error(`the peer benchmark failed (${code}): ${said.at(-1) ?? 'it said nothing'}`)
  /** @type {{ rows: Figures[] }} */
  const { rows } = JSON.parse(readFileSync(json, 'utf8'))
  for (const { driver, verified } of rows) {
    if (verified !== undefined && String(verified) !== '1/1' && String(verified) !== '8/8') {
      throw new Error(`${driver}: what arrived is not what was sent (${verified})`)
    }
  }
  return new Map(rows.map(row => [row.driver, row]))
}

/** @param {Map<string, Figures>} rows @param {string} tool @param {string} field */
const figure = (rows, tool, field) => rows.get(tool)?.[field] ?? Number.NaN

/** @param {Map<string, Figures>} rows */
const cpuS = (rows, tool = 'shoal') => figure(rows, tool, 'seeder_cpu_s') + figure(rows, tool, 'leechers_cpu_s')

/** @type {Measure} */
const pair = {
  name: 'peers-pair',
  run: async lab => {
    const tools = installed(Object.keys(PAIR_TOOLS))
    const args = ['pair', 'shoal', ...tools, '--size', '1G', '--go']
    const rows = await benchmark(lab, args)
    /** @type {Row[]} */
    const found = []
    for (const [tool, atLeast] of Object.entries(PAIR_TOOLS)) {
      if (!rows.has(tool)) continue
      found.push({
        ...{ what: `pair, 1 GiB, beside ${tool}`, unit: 'B/s', value: figure(rows, 'shoal', 'mb_per_s') * 1e6 },
        ...{ yardstick: tool, yardstickValue: figure(rows, tool, 'mb_per_s') * 1e6 },
        ...(atLeast !== undefined && { ratio: { atLeast } })
      })
    }
    found.push({
      ...{ what: 'pair, processor time of both sides', unit: 'ms', value: cpuS(rows) * 1000 },
      ...(rows.has('webtorrent') && {
        yardstick: 'webtorrent',
        yardstickValue: cpuS(rows, 'webtorrent') * 1000,
        ratio: { atMost: 1 }
      })
    })
    for (const side of ['seeder', 'leecher']) {
      found.push({
        ...{
          what: `pair, ${side}'s peak memory`,
          unit: 'B',
          value: figure(rows, 'shoal', `${side}_peak_rss_mib`) * MIB
        },
        floor: { atMost: 200 * MIB }
      })
    }
    const noise = await benchmark(lab, ['pair', 'shoal', '--size', '1G', '--go'], { SHOAL_ENCRYPTION: 'noise' })
    found.push({
      ...{ what: 'pair, 1 GiB, noise only', unit: 'B/s', value: figure(noise, 'shoal', 'mb_per_s') * 1e6 },
      ...(rows.has('webtorrent') && {
        yardstick: 'webtorrent',
        yardstickValue: figure(rows, 'webtorrent', 'mb_per_s') * 1e6,
        ratio: { atLeast: 0.9 }
      })
    })
    return found
  }
}

/** @type {Measure} */
const eight = {
  name: 'peers-eight',
  run: async lab => {
    const one = await benchmark(lab, ['pair', 'shoal', '--size', '1G', '--go'])
    const many = await benchmark(lab, [
      'swarm',
      'shoal',
      '-n',
      '8',
      '--net',
      'lo',
      '--up',
      '0',
      '--down',
      '0',
      '--size',
      '256M'
    ])
    return [
      {
        ...{ what: 'one seeder, eight leechers, sum of rates', unit: 'B/s' },
        value: (8 * GIB) / 4 / figure(many, 'shoal', 'last_s'),
        ...{ yardstick: 'the pair', yardstickValue: figure(one, 'shoal', 'mb_per_s') * 1e6, ratio: { atLeast: 0.8 } }
      }
    ]
  }
}

/** @type {Measure} */
const ingest = {
  name: 'peers-ingest',
  run: async lab => {
    const tools = installed(['libtorrent', 'aria2'])
    /** @param {string[]} names */
    const measured = names => benchmark(lab, ['ingest', ...names, '--size', '1G'])
    // aria2 drops what it read from the page cache: whoever came after it would be measured with a cold one
    const [late, early] = [tools.filter(tool => tool === 'aria2'), tools.filter(tool => tool !== 'aria2')]
    const lateRows = late.length > 0 ? await measured(late) : []
    await measured(['shoal'])
    const rows = new Map([...(await measured(['shoal', ...early])), ...lateRows])
    const rate = figure(rows, 'shoal', 'mb_per_s') * 1e6
    /** @type {Row[]} */
    const found = tools.map(tool => ({
      ...{ what: `ingest, 1 GiB, beside ${tool}`, unit: 'B/s', value: rate },
      ...{ yardstick: tool, yardstickValue: figure(rows, tool, 'mb_per_s') * 1e6 },
      ...(tool === 'libtorrent' && { ratio: { atLeast: 1.2 } })
    }))
    found.push(
      {
        ...{ what: 'ingest, peak memory', unit: 'B', value: figure(rows, 'shoal', 'peak_rss_mib') * MIB },
        floor: { atMost: 150 * MIB }
      },
      {
        ...{ what: 're-check, 1 GiB', unit: 'B/s', value: figure(rows, 'shoal', 'recheck_mb_per_s') * 1e6 },
        ...{ yardstick: 'ingest', yardstickValue: rate, ratio: { atLeast: 0.95 } }
      }
    )
    return found
  }
}

/** @type {Measure} */
const small = {
  name: 'peers-small',
  run: async lab => {
    const tools = installed(['libtorrent'])
    const files = ['--size', '4K', '--files', SMALL_FILES]
    const shared = await benchmark(lab, ['ingest', 'shoal', ...tools, ...files])
    const got = await benchmark(lab, ['pair', 'shoal', ...tools, ...files, '--go'])
    /** @param {Map<string, Figures>} rows @param {string} field */
    const ours = (rows, field) => figure(rows, 'shoal', field) * 1000
    /** @param {Map<string, Figures>} rows @param {string} field */
    const theirs = (rows, field) =>
      rows.has('libtorrent')
        ? { yardstick: 'libtorrent', yardstickValue: figure(rows, 'libtorrent', field) * 1000 }
        : {}
    return [
      {
        ...{ what: 'share 10,000 files of 4 KiB, process and all', unit: 'ms', value: ours(shared, 'wall_s') },
        ...theirs(shared, 'wall_s'),
        floor: { atMost: 1000 }
      },
      {
        ...{ what: 'fetch 10,000 files of 4 KiB', unit: 'ms', value: ours(got, 'last_s') },
        ...theirs(got, 'last_s'),
        ...(got.has('libtorrent') && { ratio: { atMost: 1.2 } })
      }
    ]
  }
}

/** Whether they can run here. @throws {import('./peerbench.mjs').CannotRun} */
export function checkPeers() {
  findBenchmark()
  checkMachine()
  const names = installed(['libtorrent', 'webtorrent', 'aria2'])
  return names.length === 0 ? 'no other tool is installed' : `beside ${joinWords(names)}`
}

export const peerMeasures = [pair, eight, ingest, small]
