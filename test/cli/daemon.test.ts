import { afterEach, beforeEach, expect, test } from 'vitest'
import { ShoalError } from '../../src/base/errors.ts'
import { CliLab } from '../helpers/cli-io.ts'
import { CID_A, PEER_ID, rootInfo } from '../helpers/fake-node.ts'

let lab: CliLab
beforeEach(() => {
  lab = new CliLab()
})
afterEach(() => lab.close())

test('--json: ready, with addresses that end in the peer ID', async () => {
  const daemon = lab.start(['daemon', '--json'])
  await daemon.stdout.has('\n')
  const ready = { event: 'ready', peerId: PEER_ID, addrs: [`/ip4/127.0.0.1/tcp/4160/p2p/${PEER_ID}`] }
  expect(daemon.stdout.events).toEqual([ready])
  lab.node.events.emit('root:announced', { cid: CID_A, nodes: 2 })
  lab.node.events.emit('file:changed', { cid: CID_A, path: '/data/film.mkv', reason: 'its size changed' })
  lab.node.events.emit('limits:changed', { cid: CID_A, up: 1, down: null })
  expect(daemon.stdout.events).toEqual([
    ready,
    { event: 'announced', cid: CID_A, nodes: 2 },
    { event: 'changed', cid: CID_A, path: '/data/film.mkv', reason: 'its size changed' },
    { event: 'limits', cid: CID_A, up: 1, down: null }
  ])
  daemon.interrupt.fire()
  expect(await daemon.code).toBe(0)
  expect(lab.node.stops).toBe(1)
})

test('tells who it is, where, and what it seeds', async () => {
  lab.node.roots = [rootInfo()]
  const daemon = lab.start(['daemon'])
  await daemon.stdout.has('ready\n')
  expect(daemon.stdout.lines).toEqual([
    `shoal 0.1.0, pid ${process.pid}`,
    `peer ID    ${PEER_ID}`,
    `data       ${lab.dataDir}`,
    `addresses  /ip4/127.0.0.1/tcp/4160/p2p/${PEER_ID}`,
    'seeding    1 root, 97.4 MB',
    '           film.mkv, 97.4 MB',
    'ready'
  ])
  lab.node.events.emit('root:announced', { cid: CID_A, nodes: 1 })
  lab.node.events.emit('root:shared', { cid: CID_A, link: '', path: '/data/film.mkv' })
  lab.node.events.emit('limits:changed', { cid: CID_A, up: 1_000_000, down: null })
  lab.node.events.emit('limits:changed', { cid: null, up: null, down: 2_000 })
  lab.node.events.emit('root:removed', { cid: CID_A })
  lab.node.events.emit('file:changed', {
    cid: CID_A,
    path: 'film.mkv',
    reason: '/data/film.mkv has another size; what no longer matches is not served (2 of 9 pieces)'
  })
  lab.node.events.emit('peer:banned', { peerId: 'p', reason: 'false pieces' })
  daemon.interrupt.fire()
  expect(await daemon.code).toBe(0)
  expect(daemon.stderr.lines).toEqual([
    'announced film.mkv to 1 node',
    `shared /data/film.mkv as ${CID_A}`,
    'film.mkv: up 1.00 MB/s, down no limit',
    'all transfers together: up no limit, down 2.00 kB/s',
    'stopped sharing film.mkv',
    'shoal: warning: /data/film.mkv has another size; what no longer matches is not served (2 of 9 pieces)',
    'banned peer p: false pieces',
    'stopping'
  ])
})

test('--quiet: results alone', async () => {
  const daemon = lab.start(['daemon', '--quiet'])
  await daemon.stdout.has('ready\n')
  daemon.interrupt.fire()
  expect(await daemon.code).toBe(0)
  expect(daemon.stderr.text).toBe('')
})

test('a second one on the same data folder is told who has it', async () => {
  await lab.serve('share')
  const daemon = await lab.run(['daemon', '--json'])
  expect(daemon.code).toBe(1)
  expect(daemon.stdout.events).toEqual([
    { event: 'error', code: 'ERR_LOCKED', message: `${lab.dataDir} is held by shoal share (pid ${process.pid})` }
  ])
  expect(lab.made).toEqual([])
})

test('a signal while it starts ends it, and that is no failure', async () => {
  lab.node.gates['start'] = new Promise(() => {})
  const daemon = lab.start(['daemon'])
  await lab.node.wasAsked('start')
  daemon.interrupt.fire()
  expect(await daemon.code).toBe(0)
  expect(daemon.stderr.text).toBe('')
  expect(lab.node.stops).toBe(1)
})

test('what keeps it from starting is an error', async () => {
  lab.node.failures['start'] = new ShoalError('ERR_PORT_IN_USE', 'port 4160 is taken', { hint: 'choose another' })
  expect(await lab.run(['daemon'])).toMatchObject({
    code: 1,
    stdout: { text: '' },
    stderr: { text: 'shoal: port 4160 is taken; choose another\n' }
  })
})
