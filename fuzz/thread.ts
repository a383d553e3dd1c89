/** The thread that runs one target. What it tries at the moment lies in shared memory, for whoever has to end it. */
import '../src/base/polyfill.ts'
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { Fuzzer } from './fuzzer.ts'
import type { Target } from './target.ts'

export interface FuzzJob {
  readonly target: string
  readonly seed: number
  readonly ms: number
  readonly inputs: number | undefined
  readonly corpus: readonly Uint8Array[]
}

export interface ThreadReport {
  readonly inputs: number
  readonly features: number
  readonly corpus: readonly Uint8Array[]
  readonly findings: ReadonlyArray<{ input: Uint8Array; why: string }>
}

const HEADER_BYTES = 8
/** Count of inputs, length of the one that runs, and its bytes. */
export const INPUT_BYTES = HEADER_BYTES + 64 * 1024

export function readInput(shared: SharedArrayBuffer): { count: number; bytes: Uint8Array } {
  const [count = 0, length = 0] = new Int32Array(shared, 0, 2)
  return { count, bytes: new Uint8Array(shared, HEADER_BYTES, length).slice() }
}

function writeInput(shared: SharedArrayBuffer, count: number, bytes: Uint8Array): void {
  const header = new Int32Array(shared, 0, 2)
  new Uint8Array(shared, HEADER_BYTES).set(bytes)
  header[1] = bytes.byteLength
  header[0] = count
}

async function run(job: FuzzJob, shared: SharedArrayBuffer): Promise<ThreadReport> {
  const { TARGETS } = await import('./targets/all.ts')
  const { makeKeySeeds } = await import('./targets/stored.ts')
  await makeKeySeeds()
  const target = TARGETS.find(({ name }): boolean => name === job.target) as Target
  let count = 0
  // what is rejected in the background is a finding of the input that runs
  let rejected: unknown
  process.on('unhandledRejection', err => {
    rejected ??= err ?? new Error('rejected with nothing')
  })
  const watched: Target = {
    ...target,
    seeds: () => target.seeds(),
    run: async input => {
      await target.run(input)
      if (rejected === undefined) return
      const err = rejected
      rejected = undefined
      throw err
    }
  }
  const fuzzer = new Fuzzer(watched, {
    seed: job.seed,
    corpus: job.corpus,
    guidedBy: url => url.includes('/.cache/fuzz/src/'),
    onInput: input => writeInput(shared, ++count, input)
  })
  const endsAt = performance.now() + job.ms
  const { inputs, features, corpus, findings } = await fuzzer.run(
    job.inputs === undefined ? { isOver: () => performance.now() > endsAt } : { inputs: job.inputs }
  )
  return { inputs, features, corpus, findings: findings.map(({ input, error }) => ({ input, why: textOf(error) })) }
}

const textOf = (error: unknown) => (error instanceof Error ? (error.stack ?? error.message) : String(error))

if (!isMainThread && parentPort !== null) {
  const { job, shared } = workerData as { job: FuzzJob; shared: SharedArrayBuffer }
  parentPort.postMessage(await run(job, shared))
}
