/** The process around the command line: signals, a reader that goes away, its end. Uses the built program. */
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { Lab, LOOPBACK } from '../helpers/cli.ts'
import { CID_A } from '../helpers/fake-node.ts'
import { checkout, requireBuild } from '../project/built.ts'

/** That of util-linux, which runs a command on a terminal of its own. */
const hasScript = spawnSync('script', ['-qec', 'true', '/dev/null']).status === 0

let lab: Lab
beforeAll(requireBuild)
beforeEach(() => {
  lab = new Lab()
})
afterEach(() => lab.close())

test.each(['SIGINT', 'SIGTERM'] as const)('%s stops a daemon, and that is no failure', async signal => {
  const { cli, dataDir } = await lab.daemon('data')
  expect(await cli.stop(signal)).toBe(0)
  expect(cli.stderr).toBe('')
  expect((await lab.run(['peers', '--data-dir', dataDir])).code).toBe(1)
})

test('SIGHUP leaves a daemon alone that has no terminal, as nohup and services start one', async () => {
  const { cli, dataDir } = await lab.daemon('data')
  cli.child.kill('SIGHUP')
  // by then the signal has long arrived
  expect((await lab.run(['ls', '--data-dir', dataDir])).code).toBe(0)
  expect((await lab.run(['peers', '--data-dir', dataDir])).code).toBe(0)
  expect(await cli.stop('SIGTERM')).toBe(0)
})

test.skipIf(!hasScript)('SIGHUP stops a daemon whose terminal is lost', async () => {
  const dataDir = lab.path('data')
  const command = `exec ${process.execPath} ${lab.programPath} daemon --data-dir ${dataDir} --listen ${LOOPBACK}`
  const terminal = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'ignore'] })
  await new Promise<void>(resolve => {
    terminal.stdout.on('data', chunk => String(chunk).includes('ready') && resolve())
  })
  const status = await lab.run(['status', '--json', '--data-dir', dataDir])
  const pid = Number(status.events[0]?.['pid'])
  process.kill(pid, 'SIGHUP')
  await new Promise<void>(resolve => terminal.on('close', () => resolve()))
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

test.skipIf(!existsSync('/dev/full'))('a stdout that cannot be written is told as what it is', async () => {
  const full = openSync('/dev/full', 'w')
  onTestFinished(() => closeSync(full))
  for (const flags of [[], ['--json']]) {
    const program = join(checkout, 'dist/cli/main.js')
    const args = [program, 'status', '--data-dir', lab.path('data'), ...flags]
    const { status, stderr } = spawnSync(process.execPath, args, { stdio: ['ignore', full, 'pipe'], encoding: 'utf8' })
    expect(stderr).toBe('shoal: no space left for standard output; free some space and run the same command again\n')
    expect(status).toBe(5)
  }
})

/** Where nothing tells of a home folder: the user is not known to the system, which only root can try. */
const homeless = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  spawnSync(process.execPath, [join(checkout, 'dist/cli/main.js'), ...args], {
    ...{ env, cwd: lab.dir, encoding: 'utf8' as const },
    ...(process.getuid?.() === 0 ? { uid: 54321, gid: 54321 } : {})
  })

test.skipIf(process.getuid?.() !== 0)('without a home folder there is help, and a data folder that is named', () => {
  chmodSync(lab.dir, 0o777)
  expect(homeless(['--version'])).toMatchObject({ status: 0, stderr: '' })
  expect(homeless(['ls'])).toMatchObject({
    status: 2,
    stderr:
      'shoal: this user has no home folder for the data folder to lie in; set HOME, or choose a folder with --data-dir\n'
  })
  expect(homeless(['ls', '--quiet', '--data-dir', lab.path('data')])).toMatchObject({ status: 0, stderr: '' })
})

test('a home folder that is no absolute path is none', () => {
  const { status, stderr } = homeless(['ls'], { HOME: '' })
  expect(stderr).toMatch(/no absolute path: .*; set HOME, or choose a folder with --data-dir\n$/)
  expect(status).toBe(2)
  expect(readdirSync(lab.dir)).toEqual([])
})

test('in a working folder that is gone a relative path is none of /', async () => {
  const gone = lab.path('gone')
  mkdirSync(gone)
  const program = join(checkout, 'dist/cli/main.js')
  const run = (args: string) =>
    spawnSync('sh', ['-c', `rmdir "$PWD" && exec "$0" "$@" ${args}`, process.execPath, program], {
      ...{ cwd: gone, encoding: 'utf8' as const },
      env: { ...process.env, SHOAL_DATA_DIR: lab.path('data') }
    })
  expect(run(`get ${CID_A} -o etc`)).toMatchObject({
    status: 1,
    stderr: 'shoal: the working folder does not exist any more; go to another, or give an absolute path\n'
  })
  mkdirSync(gone)
  expect(run('ls --quiet')).toMatchObject({ status: 0, stderr: '' })
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
