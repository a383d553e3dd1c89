/**
 * Measures shoal beside other tools in shaped swarms of real processes, with the peer benchmark that PEERBENCH names.
 * See docs/benchmarks.md.
 *
 *     npm run bench:swarm -- [-n 4,8,16] [--repeat 3] [--size 64M] [--up 50] [--down 200] [--tools aria2,libtorrent|all]
 *                            [--json FILE] [--timeout SECONDS]
 *     npm run bench:swarm -- --pair [--size 1G] …
 *
 * Root, network namespaces, nothing else running. All traffic stays in namespaces that the benchmark makes and removes.
 */
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { formatTable, joinWords, plural } from '../lab/format.mjs'
import { CannotRun, checkMachine, findBenchmark, otherTools, runBenchmark, toolVersion } from './peerbench.mjs'
import { pairColumns, rowsOf, swarmColumns } from './swarm-rows.mjs'

/** @typedef {import('./swarm-rows.mjs').Run} Run */

const OURS = 'shoal'
/** What is compared with unless `--tools` says otherwise: the two that are the fastest. */
const USUAL_TOOLS = ['aria2', 'libtorrent']
const SIGNAL_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }
const USAGE = 'see the head of scripts/bench/swarm.mjs'

/** @param {string} message @param {number} code @returns {never} */
function fail(message, code) {
  console.error(`bench: ${message}`)
  process.exit(code)
}

function readOptions() {
  try {
    return parseArgs({
      options: {
        n: { type: 'string', short: 'n', default: '4,8,16' },
        repeat: { type: 'string', default: '3' },
        size: { type: 'string' },
        up: { type: 'string', default: '50' },
        down: { type: 'string', default: '200' },
        timeout: { type: 'string', default: '110' },
        tools: { type: 'string' },
        json: { type: 'string' },
        pair: { type: 'boolean', default: false }
      }
    }).values
  } catch (err) {
    return fail(`${err instanceof Error ? err.message : err}; ${USAGE}`, 2)
  }
}

const options = readOptions()
const counts = options.n.split(',')
const size = options.size ?? (options.pair ? '1G' : '64M')
const numbers = { repeat: options.repeat, up: options.up, down: options.down, timeout: options.timeout }
for (const [name, value] of [...Object.entries(numbers), ...counts.map(count => ['n', count])]) {
  if (!/^[1-9]\d*$/.test(value ?? '')) fail(`--${name} takes whole numbers above 0, not ${value}; ${USAGE}`, 2)
}
if (!/^[1-9]\d*[KMG]?$/.test(size)) fail(`--size takes a size such as 64M, not ${size}; ${USAGE}`, 2)

/** @param {string} folder @returns {Map<string, string>} each tool of this run, ours first, with its version */
function chooseTools(folder) {
  const others = otherTools(folder)
  const named = options.tools === undefined || options.tools === 'all' ? undefined : options.tools.split(',')
  const unknown = (named ?? []).find(name => name !== OURS && toolVersion(folder, name) === undefined)
  if (unknown !== undefined) {
    throw new CannotRun(
      `${unknown} does not run here: install it, see what --tools can name (${others.join(',')}), or set PEERLAB`
    )
  }
  const wanted = named ?? (options.tools === 'all' ? others : USUAL_TOOLS)
  /** @type {Map<string, string>} */
  const tools = new Map()
  for (const name of new Set([OURS, ...wanted])) {
    const version = toolVersion(folder, name)
    if (version !== undefined) tools.set(name, version)
    else if (name === OURS) throw new CannotRun('the driver of shoal does not run: npm run build says why')
    else console.log(`${name} is not installed and left out.`)
  }
  return tools
}

/** @param {readonly Run[]} runs */
function print(runs) {
  const columns = options.pair ? pairColumns : swarmColumns
  const rows = rowsOf(runs)
  const cells = rows.map(row => columns.map(([, cell]) => cell(row)))
  const head = columns.map(([title]) => title)
  console.log(`\n${formatTable(head, cells).join('\n')}`)
  const broken = rows.filter(row => row.runs < row.of)
  for (const row of broken) {
    console.log(`${row.tool}, N = ${row.n}: ${row.of - row.runs} of ${plural(row.of, 'run')} did not end right`)
  }
  return { rows, isWhole: broken.length === 0 }
}

const stopping = new AbortController()
for (const [name, code] of Object.entries(SIGNAL_CODES)) {
  process.on(name, () => {
    process.exitCode = code
    if (!stopping.signal.aborted) console.error(`bench: ${name}; the benchmark removes its namespaces and ends`)
    stopping.abort()
  })
}

async function main() {
  const folder = findBenchmark()
  checkMachine()
  const tools = chooseTools(folder)
  const names = [...tools.keys()]
  const what = options.pair
    ? 'one seeder, one leecher'
    : `N = ${joinWords(counts)}, ${options.up} / ${options.down} Mbit/s`
  console.log(`${joinWords(names)}; ${what}; ${size}; medians of ${options.repeat}`)
  console.log(`${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}`)
  for (const [name, version] of tools) console.log(`  ${name}: ${version}`)

  const args = [options.pair ? 'pair' : 'swarm', ...names, '--size', size, '--repeat', options.repeat]
  args.push('--timeout', options.timeout)
  if (!options.pair) args.push('--up', options.up, '--down', options.down, '-n', ...counts)
  /** @type {Run[]} */
  const runs = []
  const { code, said, left } = await runBenchmark(folder, args, {
    signal: stopping.signal,
    onRun: run => {
      runs.push(run)
      console.error(`${run.driver} N = ${run.n}: ${run['last_s'] ?? 'not done'} s, verified ${run['verified']}`)
    },
    onNote: line => console.error(`  ${line}`)
  })
  const expected = names.length * (options.pair ? 1 : counts.length) * Number(options.repeat)
  const { rows, isWhole } = print(runs)
  if (options.json !== undefined) {
    writeFileSync(options.json, `${JSON.stringify({ tools: Object.fromEntries(tools), args, rows, runs }, null, 2)}\n`)
  }
  if (left.length > 0)
    console.error(`bench: these namespaces are left, remove them with ip netns del: ${left.join(' ')}`)
  if (stopping.signal.aborted) return
  if (code !== 0) throw new CannotRun(`the peer benchmark failed (${code}): ${said.at(-1) ?? 'it said nothing'}`)
  if (runs.length < expected) {
    console.error(`bench: ${expected - runs.length} of ${expected} runs failed; what the benchmark said is above`)
  }
  if (!isWhole || runs.length < expected || left.length > 0) process.exitCode = 1
}

try {
  await main()
} catch (err) {
  if (!(err instanceof CannotRun)) throw err
  fail(err.message, 1)
}
