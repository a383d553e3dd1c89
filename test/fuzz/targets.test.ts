/**
 * Every parser that sees a stranger's bytes, for a bounded number of inputs. The same targets run for hours, guided by
 * coverage, in `npm run fuzz`; what they find comes here as a case. SHOAL_FUZZ_SEED repeats a run.
 */
import '../../src/base/polyfill.ts'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { digestOf, Fuzzer } from '../../fuzz/fuzzer.ts'
import { TARGETS } from '../../fuzz/targets/all.ts'
import { makeKeySeeds } from '../../fuzz/targets/stored.ts'
import { casesOf } from './case-files.ts'

const INPUTS = 500
const SEED = Number(process.env['SHOAL_FUZZ_SEED'] ?? Date.now() % 1_000_000)
console.log(`fuzz seed ${SEED}`)

beforeAll(makeKeySeeds)

describe.each(TARGETS)('$name: $claims', target => {
  it('its seeds and cases', async () => {
    for (const input of [...target.seeds(), ...casesOf(target.name)]) {
      expect(input.byteLength).toBeLessThanOrEqual(target.maxBytes)
      await target.run(input.slice())
    }
  })

  it(`${INPUTS} changes of them`, async () => {
    const fuzzer = new Fuzzer(target, { seed: SEED, corpus: casesOf(target.name) })
    const { findings, inputs } = await fuzzer.run({ inputs: INPUTS })
    const shown = findings.map(({ input, error }) => ({
      seed: SEED,
      input: Buffer.from(input).toString('base64'),
      digest: digestOf(input),
      error: error instanceof Error ? error.stack : String(error)
    }))
    expect(shown).toEqual([])
    expect(inputs).toBeGreaterThanOrEqual(INPUTS)
  })
})

it('every file of cases belongs to a target', () => {
  const files = readdirSync(join(import.meta.dirname, 'cases'))
  expect(files.filter(file => !TARGETS.some(({ name }) => file === `${name}.txt`))).toEqual([])
})
