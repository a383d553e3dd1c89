/** ls, rm, status, peers, limit, hash, verify: on a running node and without one. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ShoalError } from '../../src/base/errors.ts'
import { CliLab } from '../helpers/cli-io.ts'
import { CID_A, CID_B, PEER_ID, rootInfo } from '../helpers/fake-node.ts'

let lab: CliLab
beforeEach(() => {
  lab = new CliLab()
})
afterEach(() => lab.close())

const roots = [
  rootInfo(),
  rootInfo({
    cid: CID_B,
    name: 'a folder\u001b[31m with a very long name, longer than any terminal is wide, so that it must be cut',
    path: '/data/b',
    size: 12_345,
    have: 6_000,
    pieces: 2,
    piecesHave: 1,
    state: 'fetching'
  })
]

describe('ls', () => {
  test('without a node: from the data folder, without a network', async () => {
    lab.node.roots = roots
    const run = await lab.run(['ls', '--json'])
    expect(run).toMatchObject({ code: 0, stderr: { text: '' } })
    expect(lab.made).toMatchObject([{ dataDir: lab.dataDir, offline: true }])
    expect(lab.node.stops).toBe(1)
    expect(run.stdout.events).toEqual(
      roots.map(({ cid, name, path, size, have, pieces, state, pinned }) => ({
        event: 'root',
        ...{ cid, name, path, size, have, pieces, state, pinned }
      }))
    )
  })

  test('with a node: through its socket', async () => {
    const node = await lab.serve()
    node.roots = roots
    expect((await lab.run(['ls', '--json'])).stdout.events).toHaveLength(2)
    expect(lab.made).toEqual([])
  })

  test('a pipe gets whole lines, a terminal what fits', async () => {
    lab.node.roots = roots
    const piped = await lab.run(['ls'])
    expect(piped.stdout.lines).toHaveLength(3)
    expect(piped.stdout.text).toMatchSnapshot('piped')
    expect(piped.stdout.text).not.toContain('\u001b')
    for (const columns of [160, 80, 40]) {
      expect((await lab.run(['ls'], { columns })).stdout.text).toMatchSnapshot(`${columns} columns`)
    }
  })

  test('nothing is held', async () => {
    expect(await lab.run(['ls'])).toMatchObject({
      code: 0,
      stdout: { text: '' },
      stderr: { text: 'nothing is held; shoal share PATH shares something\n' }
    })
    expect(await lab.run(['ls', '--quiet'])).toMatchObject({ stderr: { text: '' } })
  })

  test('a damaged root says what is wrong with it', async () => {
    lab.node.roots = [rootInfo({ state: 'damaged', problem: 'film.mkv changed' })]
    expect((await lab.run(['ls'])).stderr.text).toBe('shoal: warning: film.mkv: film.mkv changed\n')
  })
})

describe('rm', () => {
  test.each(['own', 'running'])('%s', async where => {
    const node = where === 'own' ? lab.node : await lab.serve()
    expect(await lab.run(['rm', CID_A])).toMatchObject({
      code: 0,
      stdout: { text: `stopped sharing ${CID_A}; /data/film.mkv is left as it is\n` }
    })
    expect((await lab.run(['rm', '--json', `shoal:${CID_A}?name=x`])).stdout.events).toEqual([
      { event: 'removed', cid: CID_A }
    ])
    expect(node.calls.filter(call => call.method === 'remove').map(call => call.args)).toEqual([[CID_A], [CID_A]])
  })

  test('what is not held', async () => {
    const node = await lab.serve()
    node.failures['remove'] = new ShoalError('ERR_UNKNOWN_ROOT', 'not held: x', { hint: 'shoal ls lists what is' })
    const run = await lab.run(['rm', '--json', CID_A])
    expect(run).toMatchObject({ code: 1, stderr: { text: 'shoal: not held: x; shoal ls lists what is\n' } })
    expect(run.stdout.events).toEqual([{ event: 'error', code: 'ERR_UNKNOWN_ROOT', message: 'not held: x' }])
  })
})

describe('status', () => {
  test('of a running node', async () => {
    const node = await lab.serve()
    node.roots = roots
    node.storeProblems = ['a record was lost']
    const run = await lab.run(['status'], { columns: 80 })
    expect(run.code).toBe(0)
    expect(run.stdout.text).toMatchSnapshot()
    expect(run.stderr.text).toBe('shoal: warning: a record was lost\n')
    const [event] = (await lab.run(['status', '--json'])).stdout.events
    expect(event).toMatchObject({ event: 'status', running: true, mode: 'daemon', peerId: PEER_ID, roots })
  })

  test('without a node', async () => {
    lab.node.roots = roots.slice(0, 1)
    const run = await lab.run(['status'])
    expect(run.code).toBe(0)
    expect(run.stdout.lines[0]).toBe(`no node is running on ${lab.dataDir}`)
    expect(run.stdout.text).toContain('film.mkv')
    const [event] = (await lab.run(['status', '--json'])).stdout.events
    expect(event).toMatchObject({ event: 'status', running: false, mode: 'offline' })
  })

  test('of one root', async () => {
    const node = await lab.serve()
    node.roots = [rootInfo({ bitfield: '/w==' }), ...roots.slice(1)]
    expect((await lab.run(['status', CID_A])).stdout.text).toMatchSnapshot()
    expect((await lab.run(['status', CID_A, '--json'])).stdout.events[0]).toMatchObject({
      roots: [{ bitfield: '/w==' }]
    })
    node.failures['status'] = new ShoalError('ERR_UNKNOWN_ROOT', 'not held')
    expect(await lab.run(['status', CID_B])).toMatchObject({ code: 1 })
  })
})

describe('peers', () => {
  const peer = {
    peerId: PEER_ID,
    addr: `/ip4/192.0.2.7/tcp/4160/p2p/${PEER_ID}`,
    direction: 'outbound' as const,
    up: 1_000_000,
    down: 0,
    sentBytes: 2_000_000,
    receivedBytes: 0,
    roots: [CID_A]
  }

  test('of a running node', async () => {
    const node = await lab.serve()
    node.connections = [peer]
    expect((await lab.run(['peers', '--json'])).stdout.events).toEqual([
      { event: 'peer', peerId: PEER_ID, addr: peer.addr, up: 1_000_000, down: 0 }
    ])
    for (const columns of [160, 80, 40]) {
      expect((await lab.run(['peers'], { columns })).stdout.text).toMatchSnapshot(`${columns} columns`)
    }
    node.connections = []
    expect(await lab.run(['peers'])).toMatchObject({ code: 0, stdout: { text: '' } })
  })

  test('without a node: an error, and no data folder is made', async () => {
    const run = await lab.run(['peers', '--json'])
    expect(run.code).toBe(1)
    expect(run.stdout.events).toMatchObject([{ event: 'error', code: 'ERR_NOT_RUNNING' }])
    expect(run.stderr.text).toBe(
      `shoal: no node is running on ${lab.dataDir}, so there are no peers; start one with shoal daemon\n`
    )
    expect(lab.made).toEqual([])
  })
})

describe('limit', () => {
  test('shows those of the node and of roots that have some', async () => {
    const node = await lab.serve()
    node.nodeLimits = { up: 5_000_000, down: null, roots: [{ cid: CID_A, up: null, down: 10_000 }] }
    const run = await lab.run(['limit'])
    expect(run).toMatchObject({ code: 0, stderr: { text: '' } })
    expect(run.stdout.lines).toEqual([
      'all transfers together: up 5.00 MB/s, down no limit',
      'storage: 0 B fetched, no limit',
      `${CID_A}: up no limit, down 10.0 kB/s`
    ])
    expect((await lab.run(['limit', '--json'])).stdout.events).toEqual([
      { event: 'limits', cid: null, up: 5_000_000, down: null },
      { event: 'storage', used: 0, reserved: 0, limit: null, evictable: 0 },
      { event: 'limits', cid: CID_A, up: null, down: 10_000 }
    ])
    expect(node.calls.map(call => call.method)).toEqual(['limits', 'status', 'limits', 'status'])
  })

  test('changes those of the node', async () => {
    const node = await lab.serve()
    expect((await lab.run(['limit', '--up', '1.5M'])).stdout.text).toBe(
      'all transfers together: up 1.50 MB/s, down no limit\n'
    )
    for (const none of ['0', 'none', 'unlimited', 'OFF', '0K']) {
      const { code, stdout } = await lab.run(['limit', '--json', '--up', none, '--down', '20K'])
      expect(code).toBe(0)
      expect(stdout.events).toEqual([{ event: 'limits', cid: null, up: null, down: 20_000 }])
      expect(node.calls.at(-1)).toEqual({ method: 'setLimits', args: [{ up: null, down: 20_000 }] })
    }
  })

  test('with a CID or link: shows and changes those of that root alone', async () => {
    const node = await lab.serve()
    node.nodeLimits.roots = [{ cid: CID_A, up: 7000, down: null }]
    expect((await lab.run(['limit', CID_A])).stdout.text).toBe(`${CID_A}: up 7.00 kB/s, down no limit\n`)
    expect(node.calls.at(-1)).toEqual({ method: 'setLimits', args: [{ cid: CID_A }] })
    const run = await lab.run(['limit', `shoal:${CID_A}?name=x`, '--down', '1M', '--json'])
    expect(run.stdout.events).toEqual([{ event: 'limits', cid: CID_A, up: 7000, down: 1_000_000 }])
    expect(node.calls.at(-1)).toEqual({ method: 'setLimits', args: [{ cid: CID_A, down: 1_000_000 }] })
    node.failures['setLimits'] = new ShoalError('ERR_UNKNOWN_ROOT', 'not held', { hint: 'shoal ls shows what is' })
    expect(await lab.run(['limit', CID_B, '--up', '1'])).toMatchObject({
      code: 1,
      stderr: { text: 'shoal: not held; shoal ls shows what is\n' }
    })
  })

  test('without a node: an error, and no data folder is made', async () => {
    const run = await lab.run(['limit', '--up', '1M', '--json'])
    expect(run.code).toBe(1)
    expect(run.stdout.events).toMatchObject([{ event: 'error', code: 'ERR_NOT_RUNNING' }])
    expect(run.stderr.text).toBe(
      `shoal: no node is running on ${lab.dataDir}, so there is nothing to limit; start one with shoal daemon\n`
    )
    expect(lab.made).toEqual([])
  })

  test('a process without a network has none', async () => {
    await lab.serve('offline')
    const run = await lab.run(['limit', '--json'])
    expect(run.stdout.events).toMatchObject([{ event: 'error', code: 'ERR_LOCKED' }])
  })
})

describe('hash', () => {
  beforeEach(() => {
    lab.hash = async path => ({ cid: CID_A, path, size: 5, pieces: 1, files: 1, skipped: [] })
  })

  test('prints the CID, and starts no node', async () => {
    expect(await lab.run(['hash', 'film.mkv'])).toMatchObject({ code: 0, stdout: { text: `${CID_A}  film.mkv\n` } })
    expect((await lab.run(['hash', 'film.mkv', '--quiet'])).stdout.text).toBe(`${CID_A}\n`)
    expect((await lab.run(['--json', 'hash', 'film.mkv'])).stdout.events).toEqual([
      { event: 'hash', path: `${lab.dir}/film.mkv`, cid: CID_A, size: 5, pieces: 1 }
    ])
    expect(lab.made).toEqual([])
  })

  test('hidden files are in, unless told otherwise', async () => {
    const seen: unknown[] = []
    lab.hash = async (path, { hidden }) => {
      seen.push(hidden)
      return { cid: CID_A, path, size: 5, pieces: 1, files: 1, skipped: [] }
    }
    await lab.run(['hash', 'x'])
    await lab.run(['hash', '--no-hidden', 'x'])
    expect(seen).toEqual([true, false])
  })

  test('what was left out is told, ten lines at most', async () => {
    const skipped = Array.from({ length: 12 }, (_, i) => ({ path: `dir/${i}\n`, reason: 'socket' }))
    lab.hash = async path => ({ cid: CID_A, path, size: 5, pieces: 1, files: 1, skipped })
    const { stderr, stdout } = await lab.run(['hash', 'dir'])
    expect(stderr.lines).toHaveLength(11)
    expect(stderr.lines[0]).toBe('shoal: warning: left out dir/0\\x0a: socket')
    expect(stderr.lines[10]).toBe('shoal: warning: left out 2 more')
    expect(stdout.lines).toHaveLength(1)
  })

  test.each([
    ['ERR_PATH_NOT_FOUND', 1],
    ['ERR_NOT_FILE_OR_FOLDER', 1],
    ['ERR_NO_PERMISSION', 5]
  ] as const)('%s: exit code %i', async (code, exit) => {
    lab.hash = async () => {
      throw new ShoalError(code, 'what and why', { hint: 'what next' })
    }
    expect(await lab.run(['hash', 'x'])).toMatchObject({
      code: exit,
      stdout: { text: '' },
      stderr: { text: 'shoal: what and why; what next\n' }
    })
  })

  test('a bug is a line, and a stack only in the debug log', async () => {
    lab.hash = async () => {
      throw new TypeError('x is not a function')
    }
    const plain = await lab.run(['hash', 'x'])
    expect(plain).toMatchObject({ code: 1 })
    expect(plain.stderr.lines).toHaveLength(1)
    const debug = await lab.run(['hash', 'x', '--log', 'debug'])
    expect(debug.stderr.text).toContain('    at ')
  })

  test('an interrupt ends it with 130', async () => {
    lab.hash = (_path, { signal }) =>
      new Promise((_resolve, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason))
      })
    const run = lab.start(['hash', 'x'])
    await expect.poll(() => lab.hashed).toEqual([`${lab.dir}/x`])
    run.interrupt.fire()
    expect(await run.code).toBe(130)
    expect(run.stderr.text).toBe('shoal: interrupted\n')
  })
})

describe('verify', () => {
  const bad = [{ piece: 3, path: 'film.mkv', offset: 3_145_728, reason: 'changed' }]

  test('all right', async () => {
    expect(await lab.run(['verify', CID_A])).toMatchObject({
      code: 0,
      stdout: { text: `${CID_A}: 93 pieces, all right\n` }
    })
    expect((await lab.run(['verify', CID_A, '--json'])).stdout.events).toEqual([
      { event: 'verified', cid: CID_A, pieces: 93, bad: [], wrong: [] }
    ])
  })

  test.each(['own', 'running'])('bad pieces are named, with exit code 4: %s', async where => {
    const node = where === 'own' ? lab.node : await lab.serve()
    node.bad = bad
    const run = await lab.run(['verify', CID_A])
    expect(run.code).toBe(4)
    expect(run.stdout.lines).toEqual([
      'bad: piece 3 in film.mkv at byte 3,145,728: changed',
      `${CID_A}: 93 pieces, 1 bad`
    ])
    const json = await lab.run(['verify', CID_A, '--json'])
    expect(json.code).toBe(4)
    expect(json.stdout.events).toEqual([{ event: 'verified', cid: CID_A, pieces: 93, bad, wrong: [] }])
  })

  test('what is wrong without a bad piece is named too, with exit code 4', async () => {
    lab.node.wrong = [
      { path: 'lnk', reason: 'was deleted' },
      { path: 'a\n', reason: 'is too long' }
    ]
    const run = await lab.run(['verify', CID_A])
    expect(run.code).toBe(4)
    expect(run.stdout.lines).toEqual([
      'wrong: lnk was deleted',
      'wrong: a\\x0a is too long',
      `${CID_A}: 93 pieces, 2 names wrong`
    ])
    expect(run.stderr.text).toContain('--force replaces what was changed')
    lab.node.bad = bad
    expect((await lab.run(['verify', CID_A])).stdout.lines.at(-1)).toBe(`${CID_A}: 93 pieces, 1 bad, 2 names wrong`)
    expect((await lab.run(['verify', CID_A, '--json'])).stdout.events).toMatchObject([{ wrong: lab.node.wrong }])
  })
})

describe('the data folder', () => {
  test('--data-dir goes before SHOAL_DATA_DIR, relative to the working folder', async () => {
    await lab.run(['ls', '--data-dir', 'mine'])
    await lab.run(['--data-dir', 'mine', 'ls'])
    expect(lab.made.map(options => options.dataDir)).toEqual([`${lab.dir}/mine`, `${lab.dir}/mine`])
  })

  test('a locked one is tried again while its holder starts or ends', async () => {
    lab.node.failures['start'] = new ShoalError('ERR_LOCKED', 'locked')
    const run = lab.start(['ls', '--json'])
    await lab.node.wasAsked('start')
    const node = await lab.serve()
    node.roots = roots
    expect(await run.code).toBe(0)
    expect(run.stdout.events).toHaveLength(2)
  })

  test('a locked one whose holder never answers is an error', async () => {
    lab.node.failures['start'] = new ShoalError('ERR_LOCKED', 'locked', { hint: 'stop its holder' })
    expect(await lab.run(['ls'])).toMatchObject({ code: 1, stderr: { text: 'shoal: locked; stop its holder\n' } })
  })

  test('what a damaged store lost is told', async () => {
    lab.node.storeProblems = ['2 records could not be read\u0007']
    expect((await lab.run(['ls', '--json'])).stderr.text).toBe('shoal: warning: 2 records could not be read\\x07\n')
    expect((await lab.run(['ls', '--quiet'])).stderr.text).toBe('')
  })
})
