/** Nodes that vanish without a word, sleep and wake, lose the node that let them in, or come back elsewhere. */
import { readFileSync, writeFileSync } from 'node:fs'
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { Lab, LOOPBACK } from '../helpers/cli.ts'
import { freePort } from '../helpers/free-port.ts'
import { keystream } from '../helpers/keystream.ts'
import { requireBuild } from '../project/built.ts'

const SIZE = 24_000_000

let lab: Lab
beforeAll(requireBuild)
beforeEach(() => {
  lab = new Lab()
})
afterEach(() => lab.close())

async function shared(name: string, args: readonly string[] = []) {
  const listen = args.includes('--listen') ? [] : ['--listen', LOOPBACK]
  const cli = lab.cli(['share', 'file.bin', '--json', '--data-dir', lab.path(name), ...listen, ...args])
  return { cli, link: String((await cli.event('shared'))['link']) }
}

const get = (name: string, source: string, args: readonly string[] = []) =>
  lab.cli([
    ...['get', source, '-o', `${name}.bin`, '--json', '--data-dir', lab.path(name), '--listen', LOOPBACK],
    ...args
  ])

const isCopy = (name: string) => readFileSync(lab.path(`${name}.bin`)).equals(readFileSync(lab.path('file.bin')))

it('a sharer that freezes in the middle is done without: another one gives the rest', async () => {
  writeFileSync(lab.path('file.bin'), keystream(SIZE, 'freeze'))
  const first = await shared('a', ['--up', '4M'])
  const second = await shared('b', ['--up', '4M'])
  const peer = new URLSearchParams(second.link.split('?')[1]).get('peer') ?? ''
  const fetch = get('c', first.link, ['--peer', peer])
  await fetch.event('progress', 60_000, event => Number(event['have']) > 2_000_000)
  first.cli.child.kill('SIGSTOP')
  try {
    expect(await fetch.exited, fetch.stderr).toBe(0)
    expect(isCopy('c')).toBe(true)
  } finally {
    first.cli.child.kill('SIGCONT')
  }
})

it('a fetch that sleeps and wakes goes on', async () => {
  writeFileSync(lab.path('file.bin'), keystream(SIZE, 'sleep'))
  const { link } = await shared('a', ['--up', '6M'])
  const fetch = get('b', link)
  await fetch.event('progress', 60_000, event => Number(event['have']) > 2_000_000)
  fetch.child.kill('SIGSTOP')
  // a stopped process tells nothing: so long its peer hears nothing of it
  await new Promise(resolve => setTimeout(resolve, 3_000))
  fetch.child.kill('SIGCONT')
  expect(await fetch.exited, fetch.stderr).toBe(0)
  expect(isCopy('b')).toBe(true)
})

it('a fetch that wakes after all that it knew was restarted finds it again', async () => {
  writeFileSync(lab.path('file.bin'), keystream(SIZE, 'long sleep'))
  const listen = ['--listen', `/ip4/127.0.0.1/tcp/${await freePort()}`]
  const first = await shared('a', ['--up', '6M', ...listen])
  const fetch = get('b', first.link)
  await fetch.event('progress', 60_000, event => Number(event['have']) > 2_000_000)
  fetch.child.kill('SIGSTOP')
  await first.cli.stop('SIGKILL')
  const again = await shared('a', listen)
  expect(again.link).toBe(first.link)
  fetch.child.kill('SIGCONT')
  expect(await fetch.exited, fetch.stderr).toBe(0)
  expect(isCopy('b')).toBe(true)
})

it('once in, a network does without the node that let everybody in, also after a restart', async () => {
  writeFileSync(lab.path('file.bin'), keystream(1_000_000, 'bootstrap'))
  const hub = await lab.daemon('hub')
  const sharer = await lab.daemon('sharer', ['--peer', hub.addr])
  const other = await lab.daemon('other', ['--peer', hub.addr])
  const share = await lab.run(['share', 'file.bin', '--json', '--data-dir', sharer.dataDir])
  const cid = String(share.events[0]?.['cid'])
  const before = get('before', cid, ['--peer', other.addr])
  expect(await before.exited, before.stderr).toBe(0)
  await hub.cli.stop('SIGKILL')
  const after = get('after', cid, ['--peer', other.addr])
  expect(await after.exited, after.stderr).toBe(0)
  expect(isCopy('after')).toBe(true)
  // all that it is told of is gone: it remembers whom it met
  await other.cli.stop()
  const back = await lab.daemon('other', ['--peer', hub.addr])
  const restarted = get('restarted', cid, ['--peer', back.addr])
  expect(await restarted.exited, restarted.stderr).toBe(0)
  expect(isCopy('restarted')).toBe(true)
})

it('a sharer that comes back at another address is found again', async () => {
  writeFileSync(lab.path('file.bin'), keystream(1_000_000, 'moved'))
  const hub = await lab.daemon('hub')
  const sharer = await lab.daemon('sharer', ['--peer', hub.addr])
  const share = await lab.run(['share', 'file.bin', '--json', '--data-dir', sharer.dataDir])
  const cid = String(share.events[0]?.['cid'])
  await sharer.cli.stop('SIGKILL')
  // it does not happen to get the same one
  const moved = await lab.daemon('sharer', ['--peer', hub.addr, '--listen', `/ip4/127.0.0.1/tcp/${await freePort()}`])
  expect(moved.addr).not.toBe(sharer.addr)
  const fetch = get('getter', cid, ['--peer', hub.addr])
  expect(await fetch.exited, fetch.stderr).toBe(0)
  expect(isCopy('getter')).toBe(true)
})
