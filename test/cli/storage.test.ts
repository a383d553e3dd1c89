/** --max-storage, pin, unpin, gc, get --cache, and what ls, rm, status and daemon say of them. */
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ShoalError } from '../../src/base/errors.ts'
import { CliLab } from '../helpers/cli-io.ts'
import { CID_A, rootInfo } from '../helpers/fake-node.ts'

let lab: CliLab
beforeEach(() => {
  lab = new CliLab()
})
afterEach(() => lab.close())

describe('--max-storage', () => {
  test.each(['lots', '0', '-1', '', '10X', '1GiB', '9999999T'])('%j is refused', async size => {
    const run = await lab.run(['daemon', '--max-storage', size, '--json'])
    expect(run).toMatchObject({ code: 2, stderr: { text: expect.stringContaining('--max-storage: not a size') } })
    expect(run.stdout.events).toMatchObject([{ event: 'error', code: 'ERR_BAD_NUMBER' }])
    expect(lab.made).toEqual([])
  })

  test('is given to a node of the command’s own; the variable is its default', async () => {
    await lab.run(['ls', '--max-storage', '20G'])
    lab.env['SHOAL_MAX_STORAGE'] = '1.5T'
    await lab.run(['ls'])
    await lab.run(['ls', '--max-storage', 'none'])
    lab.env['SHOAL_MAX_STORAGE'] = ''
    await lab.run(['ls'])
    expect(lab.made.map(({ maxStorage }) => maxStorage)).toEqual([20e9, 1.5e12, null, undefined])
    lab.env['SHOAL_MAX_STORAGE'] = 'lots'
    expect(await lab.run(['ls'])).toMatchObject({
      code: 2,
      stderr: { text: expect.stringContaining('SHOAL_MAX_STORAGE: not a size: "lots"') }
    })
  })

  test('a node that runs has its own', async () => {
    const node = await lab.serve()
    node.onFetch = transfer => transfer.finish()
    const run = await lab.run(['get', CID_A, '--max-storage', '20G'])
    expect(run).toMatchObject({ code: 0, stderr: { text: expect.stringContaining('--max-storage has no effect') } })
    lab.env['SHOAL_MAX_STORAGE'] = '20G'
    expect((await lab.run(['get', CID_A])).stderr.text).not.toContain('no effect')
  })

  test('where nothing fits the exit code is 5', async () => {
    lab.node.failures['fetch'] = new ShoalError('ERR_NO_SPACE', 'film.mkv needs 2 GB', { hint: 'raise --max-storage' })
    expect(await lab.run(['get', CID_A])).toMatchObject({
      code: 5,
      stderr: { text: expect.stringContaining('shoal: film.mkv needs 2 GB; raise --max-storage') }
    })
  })
})

describe('pin and unpin', () => {
  test.each(['own', 'running'])('%s', async where => {
    const node = where === 'own' ? lab.node : await lab.serve()
    expect(await lab.run(['unpin', CID_A])).toMatchObject({
      code: 0,
      stdout: { text: `${CID_A} is unpinned: its files may be deleted when room is needed\n` }
    })
    expect((await lab.run(['pin', `shoal:${CID_A}?name=x`, '--json'])).stdout.events).toEqual([
      { event: 'pinned', cid: CID_A }
    ])
    expect((await lab.run(['unpin', CID_A, '--json'])).stdout.events).toEqual([{ event: 'unpinned', cid: CID_A }])
    expect((await lab.run(['pin', CID_A, '--quiet'])).stdout.text).toBe(`${CID_A}\n`)
    const args = node.calls.filter(({ method }) => method === 'setPinned').map(call => call.args)
    expect(args).toEqual([
      [CID_A, false],
      [CID_A, true],
      [CID_A, false],
      [CID_A, true]
    ])
  })

  test('what is wrong is said', async () => {
    expect(await lab.run(['unpin'])).toMatchObject({ code: 2 })
    expect(await lab.run(['unpin', 'nonsense'])).toMatchObject({ code: 2 })
    lab.node.failures['setPinned'] = new ShoalError('ERR_UNKNOWN_ROOT', 'not held')
    expect(await lab.run(['pin', CID_A])).toMatchObject({ code: 1, stderr: { text: 'shoal: not held\n' } })
  })

  test('ls and status show what is unpinned', async () => {
    lab.node.roots = [rootInfo({ pinned: false })]
    expect((await lab.run(['ls'])).stdout.text).toContain('seeding, unpinned')
    expect((await lab.run(['ls', '--json'])).stdout.events).toMatchObject([{ event: 'root', pinned: false }])
    expect((await lab.run(['status', CID_A])).stdout.text).toContain('unpinned   may be deleted when room is needed')
  })
})

describe('gc', () => {
  const items = [
    { kind: 'cache', path: '/data/cache/x', size: 1_500_000, fate: 'deleted', reason: null },
    { kind: 'partial', path: '/d/\u001bf.part', size: 3000, fate: 'kept', reason: 'a get takes it up' }
  ] as const

  test.each(['own', 'running'])('%s', async where => {
    const node = where === 'own' ? lab.node : await lab.serve()
    node.garbage = [...items]
    node.gcChanges = { freed: 1_500_000, kept: 3000 }
    const run = await lab.run(['gc'])
    expect(run.code).toBe(0)
    expect(run.stdout.lines).toEqual([
      'deleted /data/cache/x: cached content of nothing that is held, 1.50 MB',
      'kept /d/\\x1bf.part: what an unfinished fetch left, 3.00 kB; a get takes it up',
      '1.50 MB freed',
      '1 partial file kept, 3.00 kB: shoal gc --delete-partials deletes those known to be its own'
    ])
    const [first, second, last] = (await lab.run(['gc', '--json'])).stdout.events
    expect(first).toEqual({ event: 'garbage', ...items[0] })
    expect(second).toMatchObject({ event: 'garbage', fate: 'kept' })
    expect(last).toEqual({ event: 'gc', dryRun: false, items: 2, freed: 1_500_000, garbage: 0, kept: 3000 })
    expect((await lab.run(['gc', '--quiet'])).stdout.text).toBe('')
    expect(node.calls.filter(({ method }) => method === 'gc').at(-1)?.args).toEqual([
      { dryRun: false, deletePartials: false }
    ])
  })

  test('only says what it would do', async () => {
    lab.node.garbage = [{ kind: 'journal', path: '/data/hashed/x', size: 10, fate: 'garbage', reason: null }]
    lab.node.gcChanges = { garbage: 10 }
    expect((await lab.run(['gc', '--dry-run', '--delete-partials'])).stdout.lines).toEqual([
      'would delete /data/hashed/x: notes on hashing files that are gone, 10 B',
      '10 B would be freed'
    ])
    expect(lab.node.calls.find(({ method }) => method === 'gc')?.args).toEqual([{ dryRun: true, deletePartials: true }])
    expect(await lab.run(['gc', '--dry'])).toMatchObject({ code: 2 })
    expect(await lab.run(['gc', 'x'])).toMatchObject({ code: 2 })
  })
})

describe('get --cache', () => {
  test.each(['own', 'running'])('goes to the data folder, %s', async where => {
    const node = where === 'own' ? lab.node : await lab.serve()
    node.onFetch = transfer => transfer.finish({ path: join(lab.dataDir, 'cache', CID_A) })
    expect(await lab.run(['get', '--cache', '--quiet', CID_A])).toMatchObject({
      code: 0,
      stdout: { text: `${join(lab.dataDir, 'cache', CID_A)}\n` }
    })
    const options = node.calls.find(({ method }) => method === 'fetch')?.args[1]
    expect(options).toMatchObject({ cache: true })
    expect(options).not.toHaveProperty('to')
  })

  test('or to a place, not both', async () => {
    expect(await lab.run(['get', '--cache', '-o', 'x', CID_A])).toMatchObject({
      code: 2,
      stderr: { text: expect.stringContaining('--cache and --output exclude each other') }
    })
  })
})

describe('what else is said', () => {
  test('rm names what an unfinished fetch left, or had', async () => {
    lab.node.removedChanges = { temp: '/d/f.part', left: false }
    expect((await lab.run(['rm', CID_A])).stdout.text).toContain('is deleted: /d/f.part')
    lab.node.removedChanges = { temp: '/d/f.part', left: true }
    expect((await lab.run(['rm', CID_A])).stdout.text).toContain('/d/f.part could not be deleted')
    expect((await lab.run(['rm', CID_A, '--json'])).stdout.events).toEqual([
      { event: 'removed', cid: CID_A, temp: '/d/f.part', left: true }
    ])
    lab.node.removedChanges = { temp: '/d/f.part', left: true, adopted: true }
    expect((await lab.run(['rm', CID_A])).stdout.text).toContain('/d/f.part is left, as it was there before')
    expect((await lab.run(['rm', CID_A, '--json'])).stdout.events).toMatchObject([{ left: true, adopted: true }])
    lab.node.removedChanges = { path: join(lab.dataDir, 'cache', CID_A) }
    expect((await lab.run(['rm', CID_A])).stdout.text).toContain('is left as it is: shoal gc deletes it')
  })

  test('status tells what fetches hold', async () => {
    expect((await lab.run(['status'])).stdout.text).not.toContain('storage')
    lab.node.storage = { used: 1_500_000_000, reserved: 2_000_000, limit: 20e9, evictable: 300_000_000 }
    const line =
      'storage    1.50 GB fetched (limit 20.0 GB), 2.00 MB more promised to fetches, 300 MB may be deleted for room'
    expect((await lab.run(['status'])).stdout.lines).toContain(line)
    const { storage } = lab.node
    expect((await lab.run(['status', '--json'])).stdout.events).toMatchObject([{ event: 'status', storage }])
    const node = await lab.serve()
    node.storage = { used: 5, reserved: 0, limit: null, evictable: 0 }
    expect((await lab.run(['status'])).stdout.lines).toContain('storage    5 B fetched')
  })

  test('limit changes how much fetches may hold, and says what stays over', async () => {
    const node = await lab.serve()
    node.storage = { used: 1_500_000_000, reserved: 0, limit: null, evictable: 300_000_000 }
    const run = await lab.run(['limit', '--max-storage', '20G'])
    expect([run.code, run.stdout.text, run.stderr.text]).toEqual([
      ...[0, 'storage: 1.50 GB fetched (limit 20.0 GB), 300 MB may be deleted for room\n', '']
    ])
    expect(node.calls).toEqual([{ method: 'setMaxStorage', args: [20e9] }])
    for (const none of ['none', 'unlimited']) {
      const { stdout } = await lab.run(['limit', '--max-storage', none, '--json'])
      const storage = { used: 1_500_000_000, reserved: 0, limit: null, evictable: 300_000_000 }
      expect(stdout.events).toEqual([{ event: 'storage', ...storage, problem: null }])
    }
    node.storageProblem = 'fetches hold too much'
    const over = await lab.run(['limit', '--up', '1M', '--max-storage', '5'])
    expect([over.code, over.stdout.lines, over.stderr.text]).toEqual([
      0,
      [
        'all transfers together: up 1.00 MB/s, down no limit',
        'storage: 1.50 GB fetched (limit 5 B), 300 MB may be deleted for room'
      ],
      'shoal: warning: fetches hold too much\n'
    ])
    const json = await lab.run(['limit', '--max-storage', '5', '--json'])
    expect(json.stdout.events).toMatchObject([{ event: 'storage', limit: 5, problem: 'fetches hold too much' }])
  })

  test('limit refuses what is no size, and a storage limit of one root', async () => {
    const node = await lab.serve()
    for (const size of ['0', '-1', '5X', '', '1e9', 'off', '99999T']) {
      const { code, stderr } = await lab.run(['limit', '--max-storage', size])
      expect([code, stderr.text]).toEqual([2, expect.stringContaining('--max-storage: not a size')])
    }
    const { code, stderr } = await lab.run(['limit', CID_A, '--max-storage', '5G'])
    expect([code, stderr.text]).toEqual([
      ...[2, 'shoal: --max-storage limits all fetches together, not one root; leave out the CID\n']
    ])
    expect(node.calls).toEqual([])
  })

  test('a get that comes too late for the limit says where to change it', async () => {
    const node = await lab.serve()
    node.onFetch = transfer => transfer.finish()
    const { stderr } = await lab.run(['get', CID_A, '--max-storage', '5G'])
    expect(stderr.text).toContain('which shoal limit --max-storage changes')
    expect(node.calls.map(({ method }) => method)).not.toContain('setMaxStorage')
  })

  test('a daemon tells what it deletes, and what of it stays', async () => {
    const evicted = { cid: CID_A, name: 'film.mkv', path: '/d/film.mkv', bytes: 1_500_000, left: ['/d/film.mkv/a'] }
    for (const flags of [[], ['--json']]) {
      const run = lab.start(['daemon', ...flags])
      await run.stdout.has('ready')
      lab.node.events.emit('root:evicted', evicted)
      lab.node.events.emit('root:pinned', { cid: CID_A, pinned: false })
      lab.node.events.emit('storage:limited', { used: 5, reserved: 0, limit: 9, evictable: 0 })
      lab.node.events.emit('storage:exceeded', { message: 'fetches hold too much' })
      run.interrupt.fire()
      expect(await run.code).toBe(0)
      if (flags.length > 0) {
        const { name: _name, ...fields } = evicted
        expect(run.stdout.events).toContainEqual({ event: 'evicted', ...fields })
        expect(run.stdout.events).toContainEqual({ event: 'storage', used: 5, reserved: 0, limit: 9, evictable: 0 })
        expect(run.stdout.events).toContainEqual({ event: 'exceeded', message: 'fetches hold too much' })
      } else {
        expect(run.stderr.lines).toEqual(
          expect.arrayContaining([
            'deleted film.mkv to make room: 1.50 MB, /d/film.mkv',
            'shoal: warning: /d/film.mkv/a was changed since it was fetched, and is left',
            `unpinned ${CID_A}`,
            'storage: 5 B fetched (limit 9 B)',
            'shoal: warning: fetches hold too much'
          ])
        )
      }
    }
  })
})
