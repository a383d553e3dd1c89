/** The soaks, short: that they run, judge, and see a leak. The hour is `npm run soak -- --minutes 60`. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { growthOverSecondHalf, growthPerHour, verdicts } from '../../scripts/soak/figures.mjs'
import { checkout, requireBuild } from '../project/built.ts'

let folder: string
beforeAll(requireBuild)
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shoal-soak-test-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function soak(...args: string[]): Promise<{ code: number | null; said: string }> {
  const child = spawn(process.execPath, [join(checkout, 'scripts/soak/soak.mjs'), ...args], { stdio: 'pipe' })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
  }
  const code = await new Promise<number | null>(resolve => child.once('close', resolve))
  return { code, said }
}

it('a minute of shares, fetches, removals and restarts of six nodes: nothing grows', async () => {
  const json = join(folder, 'soak.json')
  const { code, said } = await soak('--minutes', '1', '--seed', '5', '--pace', '0', '--json', json)
  expect(code, said).toBe(0)
  const report = JSON.parse(readFileSync(json, 'utf8'))
  expect(report.fetched).toBeGreaterThanOrEqual(8 * 8)
  expect(report.samples.length).toBe(report.rounds)
}, 400_000)

it('a listener and a timer that are held on to are seen', async () => {
  const { code, said } = await soak('--minutes', '0.5', '--seed', '5', '--pace', '0', '--nodes', '4', '--leak')
  expect(code, said).toBe(1)
  expect(said).toMatch(/listeners: growth .* BROKEN/)
}, 400_000)

it('growth is that of the second half: what a warm-up takes is not counted', () => {
  const warmedUp = Array.from({ length: 20 }, (_, i) => [i * 1000, Math.min(i, 10)] as const)
  expect(growthOverSecondHalf(warmedUp)).toBeCloseTo(0)
  const leaking = Array.from({ length: 20 }, (_, i) => [i * 1000, i] as const)
  expect(growthOverSecondHalf(leaking)).toBeCloseTo(9)
  expect(growthPerHour(leaking)).toBeCloseTo(3600)
})

it('what could not be measured breaks its bound', () => {
  expect(verdicts([{ name: 'x', value: Number.NaN, atMost: 1 }]).isWithin).toBe(false)
  expect(verdicts([{ name: 'x', value: 1, atLeast: 1, atMost: 1 }]).isWithin).toBe(true)
})
