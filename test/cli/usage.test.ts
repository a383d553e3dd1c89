import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { CliLab } from '../helpers/cli-io.ts'
import { CID_A } from '../helpers/fake-node.ts'

let lab: CliLab
beforeEach(() => {
  lab = new CliLab()
})
afterEach(async () => {
  // Nothing of this may start a node or look at the data folder.
  expect(lab.made).toEqual([])
  expect(lab.hashed).toEqual([])
  await lab.close()
})

test('--version prints the version of the package', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  for (const flag of ['--version', '-V']) {
    expect(await lab.run([flag])).toMatchObject({ code: 0, stdout: { text: `${version}\n` }, stderr: { text: '' } })
  }
})

test('--help names every command and option', async () => {
  const { code, stdout, stderr } = await lab.run(['--help'])
  expect(code).toBe(0)
  expect(stderr.text).toBe('')
  const commands = ['daemon', 'share', 'get', 'ls', 'rm', 'status', 'peers', 'limit', 'hash', 'verify']
  for (const name of commands) expect(stdout.text).toMatch(new RegExp(`^ {2}${name}\\b`, 'm'))
  const options = [
    '--data-dir',
    '--json',
    '--quiet',
    '--log',
    '--listen',
    '--announce',
    '--peer',
    '--up',
    '--down',
    '--timeout'
  ]
  for (const name of options) expect(stdout.text).toContain(name)
})

test('a command has its own help, with the global options', async () => {
  for (const argv of [
    ['get', '--help'],
    ['help', 'get']
  ]) {
    const { code, stdout } = await lab.run(argv)
    expect(code).toBe(0)
    expect(stdout.text).toContain('--force')
    expect(stdout.text).toContain('--data-dir')
  }
})

test('no command: the help, as usage', async () => {
  const plain = await lab.run([])
  expect(plain).toMatchObject({ code: 2, stdout: { text: '' } })
  expect(plain.stderr.text).toMatch(/^Usage: shoal /)
  const json = await lab.run(['--json'])
  expect(json).toMatchObject({ code: 2 })
  expect(json.stdout.events).toEqual([{ event: 'error', code: 'ERR_USAGE', message: 'no command given' }])
})

test.each([
  [['shar'], "shoal: unknown command 'shar' (did you mean 'share'?); see shoal --help"],
  [['limit', CID_A, 'x'], "shoal: too many arguments for 'limit'; expected 1 argument but got 2; see shoal --help"],
  [['--jsn', 'ls'], "shoal: unknown option '--jsn' (did you mean '--json'?); see shoal --help"],
  [['get', '--forc', CID_A], "shoal: unknown option '--forc' (did you mean '--force'?); see shoal --help"],
  [['get'], "shoal: missing required argument 'cid|link'; see shoal --help"],
  [['share'], "shoal: missing required argument 'path'; see shoal --help"],
  [['rm'], "shoal: missing required argument 'cid'; see shoal --help"],
  [['verify'], "shoal: missing required argument 'cid'; see shoal --help"],
  [['hash'], "shoal: missing required argument 'path'; see shoal --help"],
  [['ls', 'x'], "shoal: too many arguments for 'ls'; expected 0 arguments but got 1; see shoal --help"],
  [['hash', 'x', 'y'], "shoal: too many arguments for 'hash'; expected 1 argument but got 2; see shoal --help"],
  [['ls', '--up'], "shoal: option '--up <rate>' argument missing; see shoal --help"],
  [
    ['ls', '--up', '5X'],
    'shoal: --up: not a rate: "5X"; give bytes a second, such as 500K, 1.5M or 2G, or none for no limit'
  ],
  [
    ['--down', '-1', 'limit'],
    'shoal: --down: not a rate: "-1"; give bytes a second, such as 500K, 1.5M or 2G, or none for no limit'
  ],
  [['get', '--timeout', '-1', CID_A], 'shoal: --timeout: not a number of seconds: "-1"; give a number above zero'],
  [
    ['ls', '--log', 'loud'],
    'shoal: unknown log level "loud"; --log takes one of silent, error, warn, info, debug, trace'
  ],
  [['ls', '--data-dir', ''], 'shoal: --data-dir needs a folder; see shoal --help']
])('%j is a usage error: one line, exit code 2', async (argv, line) => {
  const { code, stdout, stderr } = await lab.run(argv)
  expect(stderr.text).toBe(`${line}\n`)
  expect(stdout.text).toBe('')
  expect(code).toBe(2)
})

test.each([
  [['get', 'nonsense'], 'ERR_BAD_CID'],
  [['get', 'shoal:nonsense'], 'ERR_BAD_CID'],
  [['get', 'http://example.org/'], 'ERR_BAD_LINK'],
  [['get', 'bagaaihra6aulkdmarjqmrcbrs5stwolzyzq3raqfzi4vkf3g4hgjkchpytua'], 'ERR_UNSUPPORTED_CID'],
  [['rm', 'nonsense'], 'ERR_BAD_CID'],
  [['verify', 'nonsense'], 'ERR_BAD_CID'],
  [['status', 'nonsense'], 'ERR_BAD_CID'],
  [['limit', 'nonsense', '--up', '1M'], 'ERR_BAD_CID'],
  [['limit', '--up', 'fast'], 'ERR_BAD_NUMBER'],
  [['daemon', '--listen', 'nonsense'], 'ERR_BAD_MULTIADDR'],
  [['daemon', '--announce', '/dns4/example.org/tcp/4160'], 'ERR_BAD_MULTIADDR'],
  [['daemon', '--peer', '/ip4/127.0.0.1'], 'ERR_BAD_MULTIADDR'],
  [['ls', '--up', 'x'], 'ERR_BAD_NUMBER'],
  [['shar'], 'ERR_USAGE']
])('%j is told with its code under --json, before any network', async (argv, code) => {
  const run = await lab.run(['--json', ...argv])
  expect(run.code).toBe(2)
  expect(run.stdout.events).toEqual([{ event: 'error', code, message: expect.any(String) }])
  expect(run.stderr.lines).toHaveLength(1)
  expect(run.stderr.text).toMatch(/^shoal: /)
})
