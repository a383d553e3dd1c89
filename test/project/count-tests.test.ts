/** The last line of scripts/test is only as true as this count. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { checkout } from './built.ts'
import { succeed } from './run.ts'

const folder = mkdtempSync(join(tmpdir(), 'shoal-count-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A report of files, each given as the outcomes of its tests; `failed` alone: it could not be loaded. */
function report(...files: string[][]): string {
  const outcomes = files.flat()
  const path = join(folder, 'report.json')
  writeFileSync(
    path,
    JSON.stringify({
      numPassedTests: outcomes.filter(outcome => outcome === 'passed').length,
      numFailedTests: outcomes.filter(outcome => outcome === 'failed').length,
      testResults: files.map(tests => ({
        status: tests.length === 0 || tests.includes('failed') ? 'failed' : 'passed',
        assertionResults: tests.map(status => ({ status }))
      }))
    })
  )
  return path
}

const count = async (path: string, exitCode: number) => {
  const args = [join(checkout, 'scripts/lab/count-tests.mjs'), path, String(exitCode)]
  return (await succeed(process.execPath, args, { cwd: folder, timeoutMs: 120_000 })).trim()
}

it('counts what passed and what failed', async () => {
  expect(await count(report(['passed', 'passed'], ['passed']), 0)).toBe('3 0 2 files')
  expect(await count(report(['passed', 'failed'], ['failed']), 1)).toBe('1 2 2 files')
  expect(await count(report(['passed', 'skipped', 'todo']), 0)).toBe('1 0 1 files, 2 skipped')
})

it('counts a file that could not be loaded', async () => {
  expect(await count(report(['passed'], []), 1)).toBe('1 1 2 files')
})

it('does not take a bad end, an empty run or a missing report for success', async () => {
  expect(await count(report(['passed']), 1)).toMatch(/^1 1 1 files, but vitest ended with code 1/)
  expect(await count(report(['skipped']), 0)).toMatch(/^0 1 1 files, 1 skipped, not a single test ran$/)
  expect(await count(report(), 0)).toMatch(/^0 1 0 files, not a single test ran$/)
  expect(await count(join(folder, 'nothing.json'), 0)).toMatch(/^0 1 vitest left no readable report/)
})
