/**
 * Reads vitest's JSON report and prints `PASSED FAILED remark` on one line, for scripts/test.
 *
 * A test file that could not be loaded holds no tests, so it counts as one failure of its own. A run that ended badly
 * without any failed test (an unhandled rejection, a crashed worker, no test at all) counts as one failure.
 *
 *     node scripts/lab/count-tests.mjs REPORT EXIT_CODE
 */
import { readFileSync } from 'node:fs'

/** @typedef {{ status: string, assertionResults: Array<{ status: string }> }} TestFile */
/** @typedef {{ numPassedTests: number, numFailedTests: number, testResults: TestFile[] }} Report */

/**
 * @param {Report} report
 * @param {number} exitCode
 */
function count(report, exitCode) {
  const passed = report.numPassedTests
  const unloaded = report.testResults.filter(
    file => file.status === 'failed' && file.assertionResults.every(test => test.status !== 'failed')
  ).length
  const skipped = report.testResults
    .flatMap(file => file.assertionResults)
    .filter(test => test.status !== 'passed' && test.status !== 'failed').length
  let failed = report.numFailedTests + unloaded
  let remark = `${report.testResults.length} files`
  if (skipped > 0) remark += `, ${skipped} skipped`
  if (failed === 0 && passed === 0) {
    failed = 1
    remark += ', not a single test ran'
  } else if (failed === 0 && exitCode !== 0) {
    failed = 1
    remark += `, but vitest ended with code ${exitCode}: see its errors above`
  }
  return `${passed} ${failed} ${remark}`
}

const [reportPath = '', exitCode = '1'] = process.argv.slice(2)
try {
  console.log(count(JSON.parse(readFileSync(reportPath, 'utf8')), Number(exitCode)))
} catch (err) {
  console.log(`0 1 vitest left no readable report (${err instanceof Error ? err.message : err})`)
}
