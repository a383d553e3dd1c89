/** Names, paths, addresses and messages from elsewhere, through every command: none of them steers the terminal. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest'
import { ShoalError } from '../../src/base/errors.ts'
import { Output } from '../../src/cli/output.ts'
import { Capture, CliLab } from '../helpers/cli-io.ts'
import { CID_A, PEER_ID, rootInfo } from '../helpers/fake-node.ts'

/** Clears the screen by ESC and by C1, sets a title, breaks the line, overrides the direction, hides a tag. */
const NASTY = 'a\u001b[2J\u009b2Jb\u001b]0;x\u0007\r\nc\u202egpj.exe\u2066\u061c\u200b\u{e0041}\ud800'
/** The same without what no file name holds, and what does not survive as UTF-8. */
const NASTY_FILE = NASTY.replace('\ud800', '')

const UNSAFE =
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]|[\u{e0000}-\u{e007f}]|\p{Surrogate}/u

let lab: CliLab
beforeEach(() => {
  lab = new CliLab()
  const root = rootInfo({
    name: NASTY,
    path: `/data/${NASTY}`,
    problem: `${NASTY} has changed`,
    link: `shoal:${CID_A}?name=${NASTY}`
  })
  lab.node.roots = [root]
  lab.node.bad = [{ piece: 3, path: NASTY, offset: 1, reason: NASTY }]
  lab.node.storeProblems = [NASTY]
  const peer = { peerId: NASTY, addr: `/dns4/${NASTY}/tcp/1`, direction: 'inbound' as const, roots: [] }
  lab.node.connections = [{ ...peer, up: 1, down: 2, sentBytes: 3, receivedBytes: 4 }]
  lab.node.shareChanges = { skipped: [{ path: NASTY, reason: NASTY }], path: `/data/${NASTY}` }
  lab.node.onFetch = transfer => {
    transfer.progress({ name: NASTY })
    transfer.finish({ path: `/data/${NASTY}`, skipped: [{ path: NASTY, reason: NASTY }] })
  }
  lab.hash = async path =>
    ({ path, cid: CID_A, size: 1, pieces: 1, skipped: [{ path: NASTY, reason: NASTY }] }) as never
})
afterEach(() => lab.close())

function expectSafe({ stdout, stderr }: { stdout: Capture; stderr: Capture }): void {
  for (const { text } of [stdout, stderr]) {
    // a line that is rewritten in place begins so
    const plain = text.replaceAll('\r\u001b[K', '')
    expect(UNSAFE.exec(plain)?.[0], JSON.stringify(plain)).toBeUndefined()
  }
}

const MODES: Array<[string, string[], { columns: number } | undefined]> = [
  ['in a pipe', [], undefined],
  ['on a terminal', [], { columns: 100 }],
  ['--quiet', ['--quiet'], undefined],
  ['--json', ['--json'], undefined],
  ['--log debug', ['--log', 'debug'], undefined]
]

describe.each(MODES)('%s', (_, flags, tty) => {
  const COMMANDS = [
    ['ls'],
    ['status'],
    ['status', CID_A],
    ['rm', CID_A],
    ['verify', CID_A],
    ['hash', NASTY_FILE],
    ['get', `shoal:${CID_A}?name=${encodeURIComponent(NASTY_FILE)}`],
    ['share', '--no-seed', NASTY_FILE]
  ]
  it.each(COMMANDS.map(argv => ({ argv, name: argv[0] })))('$name', async ({ argv }) => {
    writeFileSync(join(lab.dir, NASTY_FILE), 'x')
    const run = await lab.run([...flags, ...argv], tty)
    expectSafe(run)
    expect(run.stdout.text.length).toBeGreaterThan(0)
  })

  it('peers, and what a running node tells', async () => {
    const node = await lab.serve()
    node.connections = lab.node.connections
    node.storeProblems = [NASTY]
    for (const argv of [['peers'], ['status']]) {
      const run = await lab.run([...flags, ...argv], tty)
      expectSafe(run)
      expect(run.stdout.text.length).toBeGreaterThan(0)
    }
  })

  it('daemon and its events', async () => {
    const daemon = lab.start([...flags, 'daemon', '--data-dir', join(lab.dir, NASTY_FILE)], tty)
    await daemon.stdout.has(flags.includes('--json') ? 'ready' : 'ready\n')
    const { events } = lab.node
    events.emit('root:shared', { cid: CID_A, link: '', path: `/data/${NASTY}` })
    events.emit('root:announced', { cid: CID_A, nodes: 1 })
    events.emit('limits:changed', { cid: CID_A, up: 1, down: null })
    events.emit('file:changed', { cid: CID_A, path: NASTY, reason: NASTY })
    events.emit('peer:banned', { peerId: NASTY, reason: NASTY })
    events.emit('root:removed', { cid: CID_A })
    daemon.interrupt.fire()
    await daemon.code
    expectSafe(daemon)
  })

  it('errors, and causes with a stack', async () => {
    lab.node.failures = {
      list: new ShoalError('ERR_UNREACHABLE', `cannot reach ${NASTY}`, { hint: NASTY, cause: new Error(NASTY) }),
      status: Object.assign(new TypeError(NASTY), { stack: `TypeError: ${NASTY}\n    at ${NASTY}` })
    }
    for (const argv of [['ls'], ['status']]) {
      const run = await lab.run([...flags, ...argv], tty)
      expect(run.code).not.toBe(0)
      expectSafe(run)
      expect(run.stderr.text).toContain('\\')
    }
  })

  const WRONG = [
    [NASTY],
    ['get', NASTY],
    ['get', `shoal:${CID_A}?peer=${encodeURIComponent(`/ip4/${NASTY_FILE}`)}`],
    ['share', `/absent/${NASTY}`],
    ['hash', `/absent/${NASTY}`],
    ['--up', NASTY, 'daemon'],
    ['--timeout', NASTY, 'get', CID_A],
    ['--listen', `/ip4/${NASTY}`, 'daemon'],
    ['--peer', `/dns4/${NASTY}/tcp/1/x`, 'daemon'],
    ['--log', NASTY, 'ls'],
    [`--${NASTY}`, 'ls']
  ]
  it.each(WRONG.map(argv => ({ argv, name: JSON.stringify(argv).slice(0, 40) })))(
    'what is wrong: $name',
    async ({ argv }) => {
      lab.hash = async path => {
        throw new ShoalError('ERR_PATH_NOT_FOUND', `no such file or folder: ${path}`)
      }
      const run = await lab.run([...flags, ...argv], tty)
      expect(run.code).not.toBe(0)
      expectSafe(run)
    }
  )
})

test('--json says what the name is, in a form that prints', async () => {
  const { stdout } = await lab.run(['ls', '--json'])
  expect(stdout.text).toContain('\\u202egpj.exe')
  expect(stdout.events).toMatchObject([{ event: 'root', name: NASTY, path: `/data/${NASTY}` }])
})

test('a name that a link proposes is made harmless where it becomes a file', async () => {
  await lab.run(['get', `shoal:${CID_A}?name=${encodeURIComponent(NASTY_FILE)}`])
  const name = 'a_[2J_2Jb_]0;x___c_gpj.exe____'
  expect(lab.node.calls.some(({ method }) => method === 'fetch')).toBe(true)
  mkdirSync(join(lab.dir, name))
  lab.hash = async path => ({ path, cid: 'another', size: 1, pieces: 1, skipped: [] }) as never
  const { stderr } = await lab.run(['get', `shoal:${CID_A}?name=${encodeURIComponent(NASTY_FILE)}`])
  expect(stderr.text).toContain(`${name} exists`)
})

test('whatever is given to the output is escaped by it', () => {
  const streams = { stdout: new Capture(), stderr: Object.assign(new Capture(), { isTTY: true, columns: 200 }) }
  const world = { ...streams, env: {}, cwd: '/', interrupt: undefined as never, load: undefined as never }
  const out = new Output(world, { json: false, quiet: false })
  out.live(NASTY)
  out.result(NASTY)
  out.note(NASTY)
  out.warn(NASTY)
  out.log(NASTY)
  out.error(new ShoalError('ERR_USAGE', NASTY, { hint: NASTY }))
  out.error(new Error(NASTY))
  expectSafe(streams)
  expect(streams.stdout.lines).toHaveLength(1)
  expect(PEER_ID).not.toMatch(UNSAFE)
})
