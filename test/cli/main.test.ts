/** The process around the command line: signals, a reader that goes away, its end. Uses the built program. */
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { Lab, LOOPBACK } from '../helpers/cli.ts'
import { CID_A } from '../helpers/fake-node.ts'
import { checkout, requireBuild } from '../project/built.ts'

let lab: Lab
beforeAll(requireBuild)
beforeEach(() => {
  lab = new Lab()
})
afterEach(() => lab.close())

test.each(['SIGINT', 'SIGTERM'] as const)('%s stops a daemon within 3 s, and that is no failure', async signal => {
  const { cli, dataDir } = await lab.daemon('data')
  const startedAt = performance.now()
  expect(await cli.stop(signal)).toBe(0)
  expect(performance.now() - startedAt).toBeLessThan(3_000)
  expect(cli.stderr).toBe('')
  expect((await lab.run(['peers', '--data-dir', dataDir])).code).toBe(1)
})

test.each(['SIGINT', 'SIGTERM'] as const)('%s ends a get with 130', async signal => {
  const data = lab.path('data')
  const get = lab.cli(['get', CID_A, '--json', '--data-dir', data, '--listen', LOOPBACK])
  await get.event('progress')
  expect(await get.stop(signal)).toBe(130)
  expect(get.stderr).toBe('shoal: interrupted; run the same command again to continue\n')
})

test('a second SIGINT forces the end at once', async () => {
  const { cli } = await lab.daemon('data')
  cli.child.kill('SIGINT')
  cli.child.kill('SIGINT')
  expect(await cli.exited).toBe(0)
})

test('a reader that goes away ends it quietly', async () => {
  const dataDir = lab.path('data')
  mkdirSync(lab.path('files'))
  const files = Array.from({ length: 50 }, (_, i) => lab.path('files', `${i}`))
  for (const file of files) writeFileSync(file, file)
  const program = join(checkout, 'dist/cli/main.js')
  const share = spawn(process.execPath, [program, 'share', '--no-seed', '--data-dir', dataDir, ...files])
  let stderr = ''
  share.stderr.on('data', chunk => {
    stderr += chunk
  })
  share.stdout.destroy()
  const code = await new Promise(resolve => share.on('close', resolve))
  expect(stderr).toBe('')
  expect(code).toBe(0)
})

test('the socket of a process that was killed is no hindrance', async () => {
  const first = await lab.daemon('data')
  await first.cli.stop('SIGKILL')
  expect((await lab.run(['ls', '--json', '--data-dir', first.dataDir])).code).toBe(0)
  const second = await lab.daemon('data')
  const status = await lab.run(['status', '--json', '--data-dir', second.dataDir])
  expect(status.events).toMatchObject([{ running: true, pid: second.cli.child.pid }])
  expect(await second.cli.stop()).toBe(0)
})

test('of two that start at once, one holds the data folder and the other is told who', async () => {
  const args = ['daemon', '--json', '--data-dir', lab.path('data'), '--listen', LOOPBACK]
  const both = [lab.cli(args), lab.cli(args)]
  const loser = await Promise.race(both.map(cli => cli.exited.then(() => cli)))
  const winner = both.find(cli => cli !== loser)
  expect(await loser.exited).toBe(1)
  expect(loser.events).toMatchObject([{ event: 'error', code: 'ERR_LOCKED' }])
  expect(loser.stderr).toContain(`shoal daemon (pid ${winner?.child.pid})`)
  expect(await winner?.stop()).toBe(0)
})
