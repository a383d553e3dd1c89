/** The end of the demo: what arrived is judged, and the figures are set out. */
import { execFileSync } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { compareTrees } from './compare.mjs'
import { formatBytes, formatSeconds, formatTable, plural } from './format.mjs'

/** @typedef {{ name: string, path: string, size: number }} Input what was shared, and where the original lies */
/**
 * @typedef {object} Fetch
 * @property {string} who
 * @property {Input} input
 * @property {string} to
 * @property {import('./program.mjs').Program} run
 * @property {import('./program.mjs').Line | undefined} result its `done` line
 */

/**
 * Compares every result with its original, and runs the fetched executables.
 *
 * @param {readonly Fetch[]} fetches
 * @param {{ story: import('./story.mjs').Story, signal: AbortSignal }} options
 */
export async function proveFetches(fetches, { story, signal }) {
  story.act('Every result is compared with its original, byte for byte, in both directions.', 'comparing')
  let files = 0
  let links = 0
  let bytes = 0
  for (const { who, input, to } of fetches) {
    story.progress(`${who}: ${input.name}`)
    const { differences, ...seen } = await compareTrees(input.path, to, { signal })
    if (differences.length > 0) throw new Error(`${who}: ${input.name} differs:\n    ${differences.join('\n    ')}`)
    files += seen.files
    links += seen.links
    bytes += seen.bytes
  }
  story.say(
    `All the same: ${plural(files, 'file')} and ${plural(links, 'link')}, ${formatBytes(bytes)}. ` +
      'None is missing and none is left over.'
  )
  for (const { who, to } of fetches.filter(({ input }) => input.name === 'node')) {
    // Modes are not content.
    chmodSync(to, 0o755)
    const version = execFileSync(to, ['--version'], { encoding: 'utf8', timeout: 10_000 }).trim()
    if (version !== process.version) throw new Error(`${who}: the fetched Node says ${version}, not ${process.version}`)
  }
  story.say(`Each fetched Node executable, once made executable, runs and says ${process.version}.`)
}

/**
 * @param {readonly Fetch[]} fetches all done
 * @param {number} sent bytes that the sharer sent before its end
 * @returns {string[]} lines
 */
export function closingTable(fetches, sent) {
  const rows = fetches.map(({ who, input, result }) => {
    const { size, peers, seconds, fetched } = result ?? { event: 'done' }
    const rate = `${formatBytes(fetched / seconds)}/s`
    return [who, input.name, formatBytes(size), plural(peers, 'peer'), formatSeconds(seconds * 1000), rate]
  })
  const shared = new Map(fetches.map(({ input }) => [input.name, input.size]))
  const total = [...shared.values()].reduce((sum, size) => sum + size, 0)
  const got = fetches.reduce((sum, { input }) => sum + input.size, 0)
  return [
    ...formatTable(['who got', 'what', 'size', 'from', 'in', 'rate'], rows),
    '',
    `Node 1 sent ${formatBytes(sent)} before it was killed: ${(sent / total).toFixed(2)} times what it shared.`,
    `${formatBytes(got)} arrived in ${shared.size > 0 ? fetches.length / shared.size : 0} places; the nodes gave each other the rest.`
  ]
}
