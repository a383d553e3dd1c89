import { describe, expect, it } from 'vitest'
import { Fuzzer, kindOf } from '../../fuzz/fuzzer.ts'
import { MAX_INPUT_BYTES, withinBounds } from '../../fuzz/input-cost.ts'
import { InputReader } from '../../fuzz/input-reader.ts'
import { Mutator, varint } from '../../fuzz/mutator.ts'
import { claim, orDeclared, type Target, texts } from '../../fuzz/target.ts'
import { ShoalError } from '../../src/base/errors.ts'
import { seededRandom } from '../../src/base/random.ts'
import { PbReader } from '../../src/content/pb-reader.ts'
import { deepBug } from './deep-bug.ts'

const target = (run: Target['run'], changes: Partial<Target> = {}): Target => ({
  name: 'test',
  claims: 'nothing',
  maxBytes: 200,
  seeds: () => texts('a seed of some length'),
  run,
  ...changes
})

describe('the fuzzer', () => {
  it('gives the same inputs for the same seed, and others for another', async () => {
    const inputsOf = async (seed: number) => {
      const inputs: string[] = []
      const fuzzer = new Fuzzer(
        target(input => {
          inputs.push(Buffer.from(input).toString('hex'))
        }),
        { seed }
      )
      await fuzzer.run({ inputs: 300 })
      return inputs
    }
    const first = await inputsOf(7)
    expect(await inputsOf(7)).toEqual(first)
    expect(await inputsOf(8)).not.toEqual(first)
    expect(new Set(first).size).toBeGreaterThan(250)
  })

  it('finds by coverage what lies behind four comparisons, and changes at random do not', async () => {
    const deep = target(deepBug, { seeds: () => texts('........') })
    const guided = await new Fuzzer(deep, { seed: 3, guidedBy: url => url.endsWith('deep-bug.ts') }).run({
      inputs: 60_000
    })
    expect(guided.features).toBeGreaterThan(4)
    expect(guided.findings.map(({ error }) => (error as Error).message)).toEqual(['a bug behind four comparisons'])
    const blind = await new Fuzzer(deep, { seed: 3 }).run({ inputs: guided.inputs })
    expect(blind.findings).toEqual([])
    // it computes all the time: beside others as much longer as they take of the machine
  }, 900_000)

  it('keeps one input of a kind, as short as it can be made', async () => {
    const { findings } = await new Fuzzer(
      target(input => claim(!input.includes(0x58), `an X among ${input.byteLength}`), {
        seeds: () => texts('there is an X in here, XX')
      }),
      { seed: 1 }
    ).run({ inputs: 500 })
    expect(findings.map(({ input }) => Buffer.from(input).toString())).toEqual(['X'])
  })

  it('takes a rejection for a failure as it does a throw', async () => {
    const { findings } = await new Fuzzer(
      target(async () => Promise.reject(new TypeError('later'))),
      { seed: 1 }
    ).run({ inputs: 10 })
    expect(findings.map(({ error }) => kindOf(error))).toEqual([expect.stringMatching(/^TypeError later/)])
  })
})

describe('an input', () => {
  it('that is slow each time is a finding, and one that was slow once is none', async () => {
    const busy = (ms: number) => {
      for (const end = performance.now() + ms; performance.now() < end; );
    }
    let times = 0
    await expect(withinBounds(() => busy(21), 20)).rejects.toThrow(/^an input took \d+ ms$/)
    await withinBounds(() => (times++ === 0 ? busy(600) : undefined), 500)
    expect(times).toBe(2)
  })

  it('that takes much memory is a finding, be it touched or not', async () => {
    const kept: Uint8Array[] = []
    const takes = async (bytes: number) => {
      const run = () => void kept.push(new Uint8Array(bytes))
      const { findings } = await new Fuzzer(target(run), { seed: 1 }).run({ inputs: 3 })
      kept.length = 0
      return findings.map(({ error }) => (error as Error).message)
    }
    expect(await takes(MAX_INPUT_BYTES + 1)).toEqual([expect.stringMatching(/^an input took 1\d\d MiB$/)])
    expect(await takes(1_000)).toEqual([])
  })
})

it('a declared failure is none, another code and another error are', () => {
  const fail = (err: unknown) => () => {
    throw err
  }
  expect(orDeclared(['ERR_LIMIT'], fail(new ShoalError('ERR_LIMIT', 'too much')))).toBeUndefined()
  expect(() => orDeclared(['ERR_LIMIT'], fail(new ShoalError('ERR_BUG', 'oops')))).toThrow('oops')
  expect(() => orDeclared(['ERR_LIMIT'], fail(new RangeError('stack')))).toThrow('stack')
  expect(() => orDeclared(['ERR_LIMIT'], fail(new ShoalError('ERR_LIMIT', 'x'.repeat(5_000))))).toThrow(
    /5000 characters/
  )
})

it('a mutation never changes its input and keeps to the length', () => {
  const mutator = new Mutator({ random: seededRandom(2), dictionary: texts('word'), maxBytes: 40 })
  const input = new Uint8Array(40).fill(9)
  for (let i = 0; i < 3_000; i++) expect(mutator.mutate(input, input).byteLength).toBeLessThanOrEqual(40)
  expect(input).toEqual(new Uint8Array(40).fill(9))
})

it('varints are read back', () => {
  for (const number of [0, 127, 128, 2 ** 32, Number.MAX_SAFE_INTEGER])
    expect(new PbReader(varint(number)).varint()).toBe(number)
})

it('an input is read as choices, and past its end they are all 0', () => {
  const reader = new InputReader(Uint8Array.of(5, 1, 2, 2, 9, 9, 7))
  expect([reader.below(3), reader.u16(), [...reader.bytes()], reader.isDone]).toEqual([2, 258, [9, 9], false])
  expect([[...reader.rest()], reader.isDone, reader.byte(), [...reader.bytes()]]).toEqual([[7], true, 0, []])
})
