/** What `get` says when the disk takes nothing, and when it does again. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ShoalError } from '../../src/base/errors.ts'
import { CliLab } from '../helpers/cli-io.ts'
import { CID_A } from '../helpers/fake-node.ts'

const LINK = `shoal:${CID_A}?name=film.mkv`
let lab: CliLab
beforeEach(() => {
  lab = new CliLab()
})
afterEach(() => lab.close())

const full = { code: 'ERR_NO_SPACE', message: 'no space left for /disk/film.mkv' } as const
const gone = { code: 'ERR_IO', message: 'the drive that /disk/film.mkv was on is gone' } as const
const pausedLine = ({ message }: { message: string }) =>
  `shoal: warning: paused: ${message}; it goes on by itself when that is mended\n`
const RESUMED_LINE = 'the disk works again, going on\n'

async function started(argv: readonly string[]) {
  lab.node.onFetch = () => {}
  const get = lab.start(['get', LINK, ...argv])
  await lab.node.wasAsked('fetch')
  const [transfer] = lab.node.transfers
  if (transfer === undefined) throw new Error('nothing is fetched')
  return { get, transfer }
}

test('the pause is told once for each reason, and so is its end', async () => {
  const { get, transfer } = await started([])
  transfer.turn({ state: 'fetching' })
  expect(get.stderr.text).toBe('')
  // tried again in vain, it says the same again
  for (const problem of [full, full, gone]) transfer.turn({ state: 'paused', problem })
  expect(get.stderr.text).toBe(pausedLine(full) + pausedLine(gone))
  transfer.turn({ state: 'fetching' })
  transfer.turn({ state: 'finishing' })
  const told = pausedLine(full) + pausedLine(gone) + RESUMED_LINE
  expect(get.stderr.text).toBe(told)
  transfer.turn({ state: 'paused', problem: full })
  expect(get.stderr.text).toBe(told + pausedLine(full))
  transfer.turn({ state: 'fetching' })
  transfer.finish({ path: '/disk/film.mkv' })
  expect(await get.code).toBe(0)
  expect(get.stderr.text).toBe(told + pausedLine(full) + RESUMED_LINE)
  expect(get.stdout.text).toMatch(/^\/disk\/film\.mkv: /)
})

test('--json: both are events, too', async () => {
  const { get, transfer } = await started(['--json'])
  transfer.turn({ state: 'paused', problem: full })
  transfer.turn({ state: 'fetching' })
  transfer.finish()
  expect(await get.code).toBe(0)
  const events = get.stdout.events.filter(({ event }) => event === 'paused' || event === 'resumed')
  expect(events).toEqual([{ event: 'paused', ...full }, { event: 'resumed' }])
  expect(get.stderr.text).toBe(pausedLine(full))
})

test('a fetch that gives up while paused does not say that it goes on', async () => {
  const { get, transfer } = await started([])
  transfer.turn({ state: 'paused', problem: full })
  transfer.turn({ state: 'failed' })
  transfer.fail(new ShoalError('ERR_NO_SPACE', full.message, { hint: 'free some space' }))
  expect(await get.code).toBe(5)
  expect(get.stderr.text).toBe(`${pausedLine(full)}shoal: ${full.message}; free some space\n`)
})

test('of a node that runs it is told over the control socket', async () => {
  const node = await lab.serve()
  node.onFetch = () => {}
  const get = lab.start(['get', LINK])
  await node.wasAsked('fetch')
  node.transfers[0]?.turn({ state: 'paused', problem: full })
  await get.stderr.has(pausedLine(full))
  node.transfers[0]?.turn({ state: 'fetching' })
  await get.stderr.has(RESUMED_LINE)
  node.transfers[0]?.finish()
  expect(await get.code).toBe(0)
})
