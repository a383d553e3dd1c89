/** `npm run fuzz -- [target…] --minutes N --seed S`: each target in a thread of its own, watched from here. */
import '../src/base/polyfill.ts'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { digestOf } from './fuzzer.ts'
import { TARGETS } from './targets/all.ts'
import { type FuzzJob, INPUT_BYTES, readInput, type ThreadReport } from './thread.ts'

const USAGE = `usage: npm run fuzz -- [TARGET…] [options]

  TARGET        names; default all
  --minutes N   for each target (1)
  --inputs N    so many inputs for each target instead
  --seed S      the same inputs again (default: of the time; it is printed)
  --list        the targets and what they claim

  Inputs that reach something new are kept in .cache/fuzz-corpus for the next run. A finding is a file below
  .cache/fuzz-findings; put it into test/fuzz/cases/<target>.txt together with what mends it.
`

/** Generous: an input takes microseconds, on a busy machine milliseconds. */
const HANG_MS = 20_000
/** A thread that needs more is a finding. */
const MAX_HEAP_MB = 768
const STACK_MB = 8
/** Inputs kept for the next run. */
const MAX_KEPT = 2_000

interface Outcome {
  readonly report: ThreadReport | undefined
  readonly findings: ReadonlyArray<{ input: Uint8Array; why: string }>
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      minutes: { type: 'string', default: '1' },
      inputs: { type: 'string' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false }
    }
  })
  if (values.help) {
    process.stdout.write(USAGE)
    return 0
  }
  const chosen = positionals.length === 0 ? TARGETS : TARGETS.filter(({ name }) => positionals.includes(name))
  const unknown = positionals.filter(name => !TARGETS.some(target => target.name === name))
  if (unknown.length > 0) throw new Error(`no target ${unknown.join(', ')}: see --list`)
  if (values.list) {
    for (const { name, claims } of chosen) process.stdout.write(`${name.padEnd(16)}${claims}\n`)
    return 0
  }
  const seed = numberOf('--seed', values.seed)
  const ms = numberOf('--minutes', values.minutes) * 60_000
  process.stdout.write(
    `seed ${seed}\n${'target'.padEnd(16)}${'inputs'.padStart(12)}${'a second'.padStart(10)}${'features'.padStart(10)}${'corpus'.padStart(8)}${'findings'.padStart(10)}\n`
  )
  let found = 0
  for (const { name } of chosen) {
    const inputs = values.inputs === undefined ? undefined : numberOf('--inputs', values.inputs)
    const job: FuzzJob = { target: name, seed, ms, inputs, corpus: readCorpus(name) }
    const startedAt = performance.now()
    const { report, findings } = await runThread(job)
    const seconds = (performance.now() - startedAt) / 1000
    const rate = Math.round((report?.inputs ?? 0) / seconds)
    process.stdout.write(
      `${name.padEnd(16)}${String(report?.inputs ?? '?').padStart(12)}${String(rate).padStart(10)}${String(report?.features ?? '?').padStart(10)}${String(report?.corpus.length ?? '?').padStart(8)}${String(findings.length).padStart(10)}\n`
    )
    if (report !== undefined) keepCorpus(name, report.corpus)
    for (const { input, why } of findings)
      process.stdout.write(`  ${saveFinding(name, input)}: ${why.split('\n').slice(0, 4).join('\n    ')}\n`)
    found += findings.length
  }
  return found === 0 ? 0 : 1
}

/** Ends it when it hangs: a loop without end cannot be left from inside. */
async function runThread(job: FuzzJob): Promise<Outcome> {
  const shared = new SharedArrayBuffer(INPUT_BYTES)
  const worker = new Worker(new URL('./thread.js', import.meta.url), {
    workerData: { job, shared },
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB, stackSizeMb: STACK_MB }
  })
  return await new Promise<Outcome>(resolve => {
    let count = -1
    let since = performance.now()
    const end = (outcome: Outcome) => {
      clearInterval(watch)
      void worker.terminate().then(() => resolve(outcome))
    }
    const lost = (why: string) => end({ report: undefined, findings: [{ input: readInput(shared).bytes, why }] })
    const watch = setInterval(() => {
      const now = readInput(shared).count
      if (now !== count) {
        count = now
        since = performance.now()
      } else if (performance.now() - since > HANG_MS) lost(`no end within ${HANG_MS / 1000} s`)
    }, 500)
    worker.on('message', (report: ThreadReport) => end({ report, findings: report.findings }))
    worker.on('error', err => lost(err.stack ?? err.message))
  })
}

function readCorpus(target: string): Uint8Array[] {
  const folder = corpusOf(target)
  mkdirSync(folder, { recursive: true })
  return readdirSync(folder).map(file => new Uint8Array(readFileSync(join(folder, file))))
}

function keepCorpus(target: string, corpus: readonly Uint8Array[]): void {
  const folder = corpusOf(target)
  for (const input of corpus.slice(-MAX_KEPT)) writeFileSync(join(folder, digestOf(input)), input)
}

const corpusOf = (target: string) => join('.cache/fuzz-corpus', target)

function saveFinding(target: string, input: Uint8Array): string {
  const folder = join('.cache/fuzz-findings', target)
  mkdirSync(folder, { recursive: true })
  const path = join(folder, digestOf(input))
  writeFileSync(path, input)
  return path
}

function numberOf(option: string, text: string): number {
  const number = Number(text)
  if (!(number >= 0)) throw new Error(`${option} takes a number, not ${text}`)
  return number
}

process.exitCode = await main()
