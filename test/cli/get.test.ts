import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ShoalError } from '../../src/base/errors.ts'
import { CliLab } from '../helpers/cli-io.ts'
import { CID_A, CID_B, rootInfo } from '../helpers/fake-node.ts'

const LINK = `shoal:${CID_A}?name=film.mkv`
let lab: CliLab
beforeEach(() => {
  lab = new CliLab()
  lab.node.onFetch = transfer => transfer.finish({ path: join(lab.dir, 'film.mkv') })
})
afterEach(() => lab.close())

describe('a node of its own', () => {
  test('fetches into the working folder, prints where, and exits', async () => {
    const run = await lab.run(['get', LINK])
    expect(run).toMatchObject({
      code: 0,
      stdout: { text: `${lab.dir}/film.mkv: 97.4 MB in 1.2 s (81.2 MB/s) from 3 peers\n` },
      stderr: { text: '' }
    })
    expect(lab.made).toMatchObject([{ dataDir: lab.dataDir, dht: 'client' }])
    expect(lab.node.calls.at(-1)).toEqual({ method: 'fetch', args: [LINK, { to: lab.dir, force: false }] })
    expect(lab.node.stops).toBe(1)
    expect(existsSync(join(lab.dataDir, 'control.sock'))).toBe(false)
  })

  test('is given what the options say', async () => {
    const options = ['--listen', '/ip4/127.0.0.1/tcp/0', '--listen', '/ip6/::1/tcp/0', '--peer', '/ip4/127.0.0.1/tcp/9']
    const rates = ['--up', '500K', '--down', '1.5M', '--timeout', '2.5']
    await lab.run([...options, 'get', CID_A, '-o', 'out.mkv', '--force', ...rates])
    expect(lab.made).toMatchObject([
      {
        listen: ['/ip4/127.0.0.1/tcp/0', '/ip6/::1/tcp/0'],
        peers: ['/ip4/127.0.0.1/tcp/9'],
        up: 500_000,
        down: 1_500_000
      }
    ])
    expect(lab.node.calls.at(-1)?.args).toEqual([
      CID_A,
      { to: join(lab.dir, 'out.mkv'), force: true, timeoutMs: 2_500 }
    ])
  })

  test('answers a second terminal meanwhile', async () => {
    lab.node.onFetch = () => {}
    const get = lab.start(['get', LINK, '--json'])
    await lab.node.wasAsked('fetch')
    const [status] = (await lab.run(['status', '--json'])).stdout.events
    expect(status).toMatchObject({ running: true, mode: 'get' })
    expect(lab.made).toHaveLength(1)
    lab.node.transfers[0]?.finish()
    expect(await get.code).toBe(0)
  })

  test('--json: progress at most once a second, then done', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
    try {
      lab.node.onFetch = () => {}
      const get = lab.start(['get', LINK, '--json'])
      await lab.node.wasAsked('fetch')
      const [transfer] = lab.node.transfers
      for (let i = 1; i <= 10; i++) {
        transfer?.progress({ have: i })
        await vi.advanceTimersByTimeAsync(300)
      }
      transfer?.finish({ path: '/x/film.mkv', resumed: 1_000 })
      expect(await get.code).toBe(0)
      const progress = get.stdout.events.slice(0, -1)
      // The first at once, then after 1, 2 and perhaps 3 of the 3 seconds.
      expect([3, 4]).toContain(progress.length)
      expect(progress[0]).toEqual({ event: 'progress', have: 1, size: 97_400_000, peers: 3, rate: 118_000_000 })
      expect(get.stdout.events.at(-1)).toEqual({
        event: 'done',
        cid: CID_A,
        path: '/x/film.mkv',
        size: 97_400_000,
        seconds: 1.2,
        fetched: 97_400_000,
        resumed: 1_000,
        peers: 3
      })
      expect(get.stderr.text).toBe('')
    } finally {
      vi.useRealTimers()
    }
  })

  test('a terminal gets one line that is rewritten, and removed at the end', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    try {
      lab.node.onFetch = () => {}
      const get = lab.start(['get', LINK], { columns: 80 })
      await lab.node.wasAsked('fetch')
      expect(get.stderr.text).toContain('looking for peers')
      const [transfer] = lab.node.transfers
      transfer?.progress({})
      vi.advanceTimersByTime(200)
      transfer?.finish()
      expect(await get.code).toBe(0)
      const drawn = get.stderr.text.split('\r\u001b[K')
      expect(drawn).toContain('  45% ███████▏········ 44.1/97.4 MB  118 MB/s  ETA 0.5 s  3 peers  42/98 pieces')
      expect(drawn.at(-1)).toBe('')
      expect(get.stderr.text).not.toContain('\n')
      expect(get.stdout.lines).toHaveLength(1)
    } finally {
      vi.useRealTimers()
    }
  })

  test('a pipe gets a plain line every 5 s, and --quiet none', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    try {
      for (const quiet of [false, true]) {
        const node = lab.node
        node.onFetch = () => {}
        const get = lab.start(['get', LINK, ...(quiet ? ['--quiet'] : [])])
        await expect.poll(() => node.transfers).toHaveLength(quiet ? 2 : 1)
        const transfer = node.transfers.at(-1)
        transfer?.progress({})
        await vi.advanceTimersByTimeAsync(11_000)
        transfer?.finish({ path: '/x/film.mkv' })
        expect(await get.code).toBe(0)
        const line = '45%  44.1/97.4 MB  118 MB/s  ETA 0.5 s  3 peers  42/98 pieces'
        expect(get.stderr.lines).toEqual(quiet ? [] : [line, line])
        if (quiet) expect(get.stdout.text).toBe('/x/film.mkv\n')
      }
    } finally {
      vi.useRealTimers()
    }
  })

  test.each([
    ['ERR_NO_PROVIDERS', 3],
    ['ERR_NO_PEERS', 3],
    ['ERR_STALLED', 3],
    ['ERR_UNREACHABLE', 3],
    ['ERR_BAD_DATA', 4],
    ['ERR_MALFORMED_ROOT', 4],
    ['ERR_NO_SPACE', 5],
    ['ERR_NO_PERMISSION', 5],
    ['ERR_READ_ONLY', 5],
    ['ERR_PORT_IN_USE', 1],
    ['ERR_STORE_VERSION', 1]
  ] as const)('%s: exit code %i, one line of what, why and what next', async (code, exit) => {
    lab.node.onFetch = transfer => transfer.fail(new ShoalError(code, 'what and why', { hint: 'what next' }))
    const run = await lab.run(['get', LINK, '--json'])
    expect(run.code).toBe(exit)
    expect(run.stderr.text).toBe('shoal: what and why; what next\n')
    expect(run.stdout.events).toEqual([{ event: 'error', code, message: 'what and why' }])
    expect(lab.node.stops).toBe(1)
  })

  test('an interrupt: 130, and how to continue', async () => {
    lab.node.onFetch = () => {}
    const get = lab.start(['get', LINK, '--json'])
    await lab.node.wasAsked('fetch')
    expect(get.interrupt.exitCode).toBe(130)
    get.interrupt.fire()
    expect(await get.code).toBe(130)
    expect(get.stderr.text).toBe('shoal: interrupted; run the same command again to continue\n')
    expect(get.stdout.events.at(-1)).toMatchObject({ event: 'error', code: 'ERR_ABORTED' })
    expect(lab.node.stops).toBe(1)
  })

  test('--seed stays until a signal, which is then no failure', async () => {
    const get = lab.start(['get', LINK, '--seed'])
    await get.stderr.has('seeding until stopped')
    expect(get.interrupt.exitCode).toBe(0)
    await get.stderr.has('announced film.mkv to 3 nodes\n')
    expect(lab.made).toMatchObject([{ dht: 'server' }])
    get.interrupt.fire()
    expect(await get.code).toBe(0)
    expect(get.stdout.lines).toHaveLength(1)
  })

  test('symlinks that were not made are told', async () => {
    lab.node.onFetch = transfer => transfer.finish({ skipped: [{ path: 'a/link', reason: 'leads outside' }] })
    expect((await lab.run(['get', LINK])).stderr.text).toBe('shoal: warning: left out a/link: leads outside\n')
  })
})

describe('local checks come before any network', () => {
  afterEach(() => expect(lab.node.transfers).toEqual([]))

  test('the destination exists and is something else', async () => {
    writeFileSync(join(lab.dir, 'film.mkv'), 'other')
    lab.hash = async path => ({ cid: CID_B, path, size: 5, pieces: 1, files: 1, skipped: [] })
    const run = await lab.run(['get', LINK, '--json'])
    expect(run.code).toBe(1)
    expect(run.stdout.events).toMatchObject([{ event: 'error', code: 'ERR_EXISTS' }])
    expect(run.stderr.text).toContain('--force')
    expect(lab.made.every(options => options.offline === true)).toBe(true)
  })

  test('a folder takes it below its name, which may exist too', async () => {
    mkdirSync(join(lab.dir, 'out/film.mkv'), { recursive: true })
    lab.hash = async path => ({ cid: CID_B, path, size: 5, pieces: 1, files: 1, skipped: [] })
    expect((await lab.run(['get', LINK, '-o', 'out'])).code).toBe(1)
    expect(lab.hashed).toEqual([join(lab.dir, 'out/film.mkv')])
  })

  test.each([
    [['-o', 'absent/film.mkv'], 'ERR_PATH_NOT_FOUND'],
    [['-o', 'absent/'], 'ERR_PATH_NOT_FOUND'],
    [['-o', 'file/film.mkv'], 'ERR_PATH_NOT_FOUND']
  ])('%j: exit code 1', async (flags, code) => {
    writeFileSync(join(lab.dir, 'file'), '')
    const run = await lab.run(['get', LINK, '--json', ...flags])
    expect(run.stdout.events).toMatchObject([{ event: 'error', code }])
    expect(run.code).toBe(1)
    expect(lab.made).toEqual([])
  })

  test.skipIf(process.getuid?.() === 0)('a folder that cannot be written: exit code 5', async () => {
    mkdirSync(join(lab.dir, 'locked'))
    chmodSync(join(lab.dir, 'locked'), 0o500)
    expect(await lab.run(['get', LINK, '-o', 'locked'])).toMatchObject({ code: 5 })
    expect(lab.made).toEqual([])
  })
})

describe('content that is already there and right is done at once', () => {
  const done = { event: 'done', cid: CID_A, seconds: 0, fetched: 0, peers: 0 }

  test('held by the store', async () => {
    writeFileSync(join(lab.dir, 'film.mkv'), 'right')
    lab.node.roots = [rootInfo({ path: join(lab.dir, 'film.mkv') })]
    const run = await lab.run(['get', LINK, '--json'])
    expect(run.code).toBe(0)
    expect(run.stdout.events).toEqual([
      { ...done, path: join(lab.dir, 'film.mkv'), size: 97_400_000, resumed: 97_400_000 }
    ])
    expect(lab.made).toMatchObject([{ offline: true }])
    expect((await lab.run(['get', LINK])).stdout.text).toBe(
      `${lab.dir}/film.mkv: 97.4 MB, all of it was here already\n`
    )
  })

  test('unknown to the store, found by hashing', async () => {
    writeFileSync(join(lab.dir, 'film.mkv'), 'right')
    lab.hash = async path => ({ cid: CID_A, path, size: 5, pieces: 1, files: 1, skipped: [] })
    const run = await lab.run(['get', LINK, '--json'])
    expect(run.code).toBe(0)
    expect(run.stdout.events).toEqual([{ ...done, path: join(lab.dir, 'film.mkv'), size: 5, resumed: 5 }])
  })

  test('a folder that was fetched under the given name', async () => {
    mkdirSync(join(lab.dir, 'mine'))
    lab.node.roots = [rootInfo({ path: join(lab.dir, 'mine') })]
    expect((await lab.run(['get', CID_A, '-o', 'mine', '--json'])).stdout.events).toMatchObject([
      { ...done, path: join(lab.dir, 'mine') }
    ])
  })

  test('--seed seeds it all the same', async () => {
    writeFileSync(join(lab.dir, 'film.mkv'), 'right')
    lab.hash = async path => ({ cid: CID_A, path, size: 5, pieces: 1, files: 1, skipped: [] })
    const get = lab.start(['get', LINK, '--seed'])
    await get.stderr.has('seeding until stopped')
    expect(lab.node.calls).toContainEqual({ method: 'share', args: [join(lab.dir, 'film.mkv'), undefined] })
    get.interrupt.fire()
    expect(await get.code).toBe(0)
  })

  test('what is there but bad is fetched again', async () => {
    writeFileSync(join(lab.dir, 'film.mkv'), 'bad')
    lab.node.roots = [rootInfo({ path: join(lab.dir, 'film.mkv') })]
    lab.node.bad = [{ piece: 0, path: 'film.mkv', offset: 0, reason: 'changed' }]
    expect((await lab.run(['get', LINK, '--json'])).stdout.events).toMatchObject([
      { event: 'done', fetched: 97_400_000 }
    ])
  })

  test('what has all of its pieces and a wrong tree is not taken for right', async () => {
    mkdirSync(join(lab.dir, 'film.mkv'))
    lab.node.roots = [rootInfo({ path: join(lab.dir, 'film.mkv') })]
    lab.node.wrong = [{ path: 'lnk', reason: 'was deleted' }]
    await lab.run(['get', LINK])
    expect(lab.node.calls.at(-1)).toEqual({ method: 'fetch', args: [LINK, { to: lab.dir, force: false }] })
  })

  test('an unfinished fetch continues', async () => {
    mkdirSync(join(lab.dir, 'film.mkv'))
    lab.node.roots = [rootInfo({ path: join(lab.dir, 'film.mkv'), state: 'partial' })]
    expect((await lab.run(['get', LINK, '--json'])).stdout.events).toMatchObject([
      { event: 'done', fetched: 97_400_000 }
    ])
  })
})

describe('through a node that runs', () => {
  test('paths are those of the command', async () => {
    const node = await lab.serve()
    node.onFetch = transfer => transfer.finish({ path: join(lab.dir, 'out.mkv') })
    const run = await lab.run(['get', LINK, '-o', 'out.mkv', '--json', '--peer', '/ip4/127.0.0.1/tcp/9'])
    expect(run).toMatchObject({ code: 0, stderr: { text: '' } })
    expect(run.stdout.events.at(-1)).toMatchObject({ event: 'done', path: join(lab.dir, 'out.mkv') })
    expect(node.calls.slice(-2)).toEqual([
      { method: 'connect', args: ['/ip4/127.0.0.1/tcp/9'] },
      { method: 'fetch', args: [LINK, { to: join(lab.dir, 'out.mkv'), force: false }] }
    ])
    expect(lab.made).toEqual([])
  })

  test('options that come too late are told; limits are those of the transfer', async () => {
    const node = await lab.serve()
    node.onFetch = transfer => transfer.finish()
    const argv = ['get', LINK, '--seed', '--up', '1M', '--down', 'none', '--listen', '/ip4/127.0.0.1/tcp/0']
    const run = await lab.run([...argv, '--announce', '/ip4/203.0.113.7/tcp/4160'])
    expect(run.code).toBe(0)
    expect(run.stderr.text).toBe(
      `shoal: warning: --listen has no effect: shoal daemon (pid ${process.pid}) runs already and does this\n` +
        `shoal: warning: --announce has no effect: shoal daemon (pid ${process.pid}) runs already and does this\n` +
        `shoal daemon (pid ${process.pid}) seeds it\n`
    )
    expect(node.calls.at(-1)).toEqual({
      method: 'fetch',
      args: [LINK, { to: lab.dir, force: false, up: 1_000_000, down: null }]
    })
  })

  test('an interrupt cancels it there', async () => {
    const node = await lab.serve()
    const get = lab.start(['get', LINK])
    await node.wasAsked('fetch')
    get.interrupt.fire()
    expect(await get.code).toBe(130)
    await expect(node.transfers[0]?.done).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  })

  test('when that node stops, the command goes on by itself', async () => {
    const node = await lab.serve()
    const get = lab.start(['get', LINK, '--json'])
    await node.wasAsked('fetch')
    await lab.stopServing()
    expect(await get.code).toBe(0)
    expect(lab.made).toHaveLength(1)
    expect(get.stdout.events.at(-1)).toMatchObject({ event: 'done' })
  })

  test('a process that has no network cannot do it', async () => {
    await lab.serve('offline')
    const run = await lab.run(['get', LINK, '--json'])
    expect(run.code).toBe(1)
    expect(run.stdout.events).toMatchObject([{ event: 'error', code: 'ERR_LOCKED' }])
    expect(run.stderr.text).toContain(`pid ${process.pid}`)
  })
})
