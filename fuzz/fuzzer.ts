/**
 * The loop: change an input, run it, keep it where it reached something new. Same target, seed and number of inputs:
 * same inputs, as long as the code takes the same way for the same input.
 */
import { createHash } from 'node:crypto'
import { type Random, seededRandom } from '../src/base/random.ts'
import { Coverage } from './coverage.ts'
import { TooDear, withinBounds } from './input-cost.ts'
import { Mutator } from './mutator.ts'
import { BrokenClaim, type Target } from './target.ts'

/** Coverage is looked at once for so many inputs, and for each of them alone only where there was news. */
const BATCH = 48
/** … and once in so many batches without: a count that is new shows in a single input alone. */
const LOOK_CLOSELY_EVERY = 8
const SHRINK_TRIES = 400
/** Of one kind a single input is kept. */
const MAX_FINDINGS = 20

export interface Finding {
  readonly input: Uint8Array
  readonly error: unknown
}

export interface FuzzOptions {
  readonly seed: number
  /** Which scripts guide it, by URL; absent: nothing does, and inputs are changes of the seeds alone. */
  readonly guidedBy?: (url: string) => boolean
  /** Inputs from earlier runs. */
  readonly corpus?: readonly Uint8Array[]
  /** Called before each input. */
  readonly onInput?: (input: Uint8Array) => void
}

export interface FuzzReport {
  readonly inputs: number
  /** Blocks of code by how often they ran; 0 when not guided. */
  readonly features: number
  readonly findings: readonly Finding[]
  /** Seeds, and what reached something new. */
  readonly corpus: readonly Uint8Array[]
}

export class Fuzzer {
  readonly #target: Target
  readonly #options: FuzzOptions
  readonly #random: Random
  readonly #mutator: Mutator
  readonly #pool: Uint8Array[]
  readonly #findings = new Map<string, Finding>()
  #coverage: Coverage | undefined
  #inputs = 0
  #batches = 0

  constructor(target: Target, options: FuzzOptions) {
    this.#target = target
    this.#options = options
    this.#random = seededRandom(options.seed)
    const { dictionary = [], maxBytes } = target
    this.#mutator = new Mutator({ random: this.#random, dictionary, maxBytes })
    this.#pool = [...target.seeds(), ...(options.corpus ?? [])].map(input => input.subarray(0, maxBytes))
    if (this.#pool.length === 0) this.#pool.push(new Uint8Array(0))
  }

  /** Until so many inputs were tried, or `isOver` says so (asked once a batch). */
  async run({ inputs = Number.POSITIVE_INFINITY, isOver = () => false }: RunUntil): Promise<FuzzReport> {
    const { guidedBy } = this.#options
    this.#coverage = guidedBy === undefined ? undefined : new Coverage(guidedBy)
    try {
      for (const input of this.#pool) {
        await this.#try(input)
        this.#coverage?.hasNewsOfOne()
      }
      while (this.#inputs < inputs && !isOver() && this.#findings.size < MAX_FINDINGS) {
        await this.#batch(Math.min(BATCH, inputs - this.#inputs))
      }
      return {
        inputs: this.#inputs,
        features: this.#coverage?.size ?? 0,
        findings: [...this.#findings.values()],
        corpus: this.#pool
      }
    } finally {
      this.#coverage?.stop()
      this.#coverage = undefined
    }
  }

  async #batch(size: number): Promise<void> {
    const batch = Array.from({ length: size }, () => this.#mutator.mutate(this.#pick(), this.#pick()))
    for (const input of batch) await this.#try(input)
    const coverage = this.#coverage
    if (coverage === undefined) return
    this.#batches += 1
    if (!coverage.hasNewsOfMany() && this.#batches % LOOK_CLOSELY_EVERY > 0) return
    for (const input of batch) {
      await this.#try(input)
      if (coverage.hasNewsOfOne()) this.#pool.push(input)
    }
  }

  /** Late ones are changed more often: they are the frontier. */
  #pick(): Uint8Array {
    const { length } = this.#pool
    const at =
      this.#random.below(3) === 0 ? length - 1 - this.#random.below(Math.min(length, 16)) : this.#random.below(length)
    return this.#pool[at] ?? new Uint8Array(0)
  }

  async #try(input: Uint8Array): Promise<void> {
    this.#inputs += 1
    const error = await this.#failure(input)
    if (error === undefined) return
    const kind = kindOf(error)
    if (this.#findings.has(kind)) return
    this.#findings.set(kind, { input, error })
    if (!(error instanceof TooDear)) this.#findings.set(kind, await this.#shrunk(input, kind))
  }

  async #failure(input: Uint8Array): Promise<unknown> {
    this.#options.onInput?.(input)
    try {
      // a target may keep what it is given, and must not see it change
      await withinBounds(() => this.#target.run(input.slice()))
      return undefined
    } catch (err) {
      return err ?? new Error('undefined was thrown')
    }
  }

  async #shrunk(input: Uint8Array, kind: string): Promise<Finding> {
    let best = input
    let error = await this.#failure(input)
    let step = Math.max(1, best.byteLength >> 1)
    let at = 0
    for (let tries = 0; tries < SHRINK_TRIES && best.byteLength > 0; tries++) {
      const smaller = Buffer.concat([best.subarray(0, at), best.subarray(at + step)])
      const again = at < best.byteLength ? await this.#failure(smaller) : undefined
      if (again !== undefined && kindOf(again) === kind) {
        best = new Uint8Array(smaller)
        error = again
        continue
      }
      at += step
      if (at < best.byteLength) continue
      if (step === 1) break
      at = 0
      step >>= 1
    }
    return { input: best, error: error ?? new Error('it did not happen again') }
  }
}

export interface RunUntil {
  readonly inputs?: number
  readonly isOver?: () => boolean
}

/** Failures at the same place are of one kind. */
export function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const where = error.stack?.split('\n').filter(line => /^\s+at /.test(line) && !line.includes('/fuzz/target.'))
  const what = error instanceof BrokenClaim ? '' : error.message.replace(/\d+/g, '#').slice(0, 60)
  return `${error.name} ${what} ${where?.[0]?.trim() ?? ''}`
}

export function digestOf(input: Uint8Array): string {
  return createHash('sha256').update(input).digest('hex').slice(0, 12)
}
