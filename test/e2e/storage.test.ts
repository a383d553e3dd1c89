/** The storage limit, pins and gc of the real program: refused, made room for, killed amid a deletion, tidied. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Lab, LOOPBACK } from '../helpers/cli.ts'
import { keystream } from '../helpers/keystream.ts'
import { requireBuild } from '../project/built.ts'

let lab: Lab
beforeAll(requireBuild)
beforeEach(() => {
  lab = new Lab()
})
afterEach(async () => {
  await lab.close()
})

const FILES = 5

/** A daemon that shares a folder of five files and two single ones, 500 kB each. */
async function source() {
  const { addr, dataDir } = await lab.daemon('source')
  mkdirSync(lab.path('album'))
  for (let i = 0; i < FILES; i++) writeFileSync(lab.path('album', `${i}.jpg`), keystream(100_000, `jpg ${i}`))
  for (const name of ['film', 'song']) writeFileSync(lab.path(name), keystream(500_000, name))
  const cids: string[] = []
  for (const name of ['album', 'film', 'song']) {
    const { events } = await lab.run(['share', lab.path(name), '--json', '--data-dir', dataDir])
    cids.push(String(events[0]?.['cid']))
  }
  const [album = '', film = '', song = ''] = cids
  return { addr, album, film, song }
}

const on = (...args: string[]) => [...args, '--json', '--data-dir', lab.path('node')]

describe('a storage limit', () => {
  it('refuses with exit code 5, makes room with what was unpinned, and leaves the rest alone', async () => {
    const { addr, album, film, song } = await source()
    const small = await lab.run(on('get', film, '--peer', addr, '-o', lab.path('film.out'), '--max-storage', '400K'))
    expect([small.code, small.events.at(-1)]).toEqual([
      5,
      { event: 'error', code: 'ERR_NO_SPACE', message: expect.stringContaining('storage limit of 400 kB') }
    ])
    expect(readdirSync(lab.dir).filter(name => name.includes('film.out'))).toEqual([])

    const { cli } = await lab.daemon('node', ['--peer', addr, '--max-storage', '1.2M'])
    expect((await lab.run(on('get', album, '-o', lab.path('album.out')))).code).toBe(0)
    expect((await lab.run(on('get', film, '-o', lab.path('film.out')))).code).toBe(0)
    const full = await lab.run(on('get', song, '-o', lab.path('song.out')))
    expect([full.code, full.stderr]).toEqual([5, expect.stringContaining('shoal unpin')])
    expect(existsSync(lab.path('song.out'))).toBe(false)

    expect((await lab.run(on('unpin', album))).events).toEqual([{ event: 'unpinned', cid: album }])
    expect((await lab.run(on('get', song, '-o', lab.path('song.out')))).code).toBe(0)
    expect(await cli.event('evicted')).toEqual({
      ...{ event: 'evicted', cid: album, path: lab.path('album.out'), bytes: 500_000, left: [] }
    })
    expect(existsSync(lab.path('album.out'))).toBe(false)
    expect(readFileSync(lab.path('film.out')).equals(readFileSync(lab.path('film')))).toBe(true)
    const { events } = await lab.run(on('status'))
    expect(events[0]?.['storage']).toEqual({ used: 1_000_000, reserved: 0, limit: 1_200_000, evictable: 0 })
    expect(readdirSync(lab.path('album'))).toHaveLength(FILES)

    // lower than what is pinned: it stays, and nothing more is fetched until the limit is raised
    const low = await lab.run(on('limit', '--max-storage', '600K'))
    expect([low.code, low.stderr]).toEqual([0, expect.stringContaining('over the storage limit of 600 kB')])
    const storage = { event: 'storage', used: 1_000_000, reserved: 0, limit: 600_000, evictable: 0 }
    expect(low.events).toEqual([{ ...storage, problem: expect.stringContaining('fetches hold 1.00 MB') }])
    expect(await cli.event('storage')).toEqual(storage)
    expect((await lab.run(on('get', album, '-o', lab.path('album.out')))).code).toBe(5)
    expect((await lab.run(on('limit', '--max-storage', 'none'))).events).toMatchObject([{ limit: null, problem: null }])
    expect((await lab.run(on('get', album, '-o', lab.path('album.out')))).code).toBe(0)
  })

  it('survives a kill amid each deletion: what was pinned is whole, what was let go is gone', {
    timeout: 120_000
  }, async () => {
    const { addr, album, film } = await source()
    const get = async (cid: string, to: string) => {
      const { code, stderr } = await lab.run(on('get', cid, '--peer', addr, '--listen', LOOPBACK, '-o', lab.path(to)))
      expect([code, stderr]).toEqual([0, ''])
    }
    await get(film, 'film.out')
    const points = [
      ...Array.from({ length: FILES }, (_, i) => `disk.unlink:done@${i + 1}`),
      'disk.unlink@1',
      'disk.rmdir@1'
    ]
    for (const point of points) {
      await get(album, 'album.out')
      await lab.run(on('unpin', album))
      const killed = lab.cli(on('daemon', '--listen', LOOPBACK, '--max-storage', '600K'), {
        env: { NODE_ENV: 'test', SHOAL_FAULT_POINT: point }
      })
      await killed.exited
      expect([point, killed.child.signalCode]).toEqual([point, 'SIGKILL'])
      const { events, stderr } = await lab.run(on('ls'))
      expect([point, events.map(({ cid, state }) => [cid, state]), stderr]).toEqual([point, [[film, 'seeding']], ''])
      expect([point, existsSync(lab.path('album.out'))]).toEqual([point, false])
    }
    expect((await lab.run(on('verify', film))).events).toMatchObject([{ event: 'verified', bad: [] }])
    expect((await lab.run(on('gc', '--dry-run', '--delete-partials'))).events).toMatchObject([
      { event: 'gc', items: 0 }
    ])
  })
})

describe('gc', () => {
  it('names first, deletes then, and partial files only when asked to', async () => {
    const { addr, album, song } = await source()
    expect((await lab.run(on('get', song, '--cache', '--peer', addr, '--listen', LOOPBACK))).code).toBe(0)
    const cached = lab.path('node', 'cache', song)
    expect((await lab.run(on('rm', song))).code).toBe(0)
    const fetching = ['get', album, '--peer', addr, '--listen', LOOPBACK, '-o', lab.path('album.out')]
    const begun = lab.cli(on(...fetching, '--down', '100K'))
    await begun.event('progress', 60_000, ({ have }) => Number(have) > 0)
    await begun.stop('SIGINT')
    const dry = await lab.run(on('gc', '--dry-run'))
    expect(dry.events).toEqual([
      { event: 'garbage', kind: 'cache', path: cached, size: 500_000, fate: 'garbage', reason: null },
      { event: 'gc', dryRun: true, items: 1, freed: 0, garbage: 500_000, kept: 0 }
    ])
    expect(existsSync(cached)).toBe(true)
    const real = await lab.run(on('gc', '--delete-partials'))
    expect([real.code, real.events.at(0)]).toEqual([0, expect.objectContaining({ path: cached, fate: 'deleted' })])
    expect([real.events.at(-1)?.['items'], existsSync(cached)]).toEqual([1, false])
    // what is fetched still is no garbage
    const { events } = await lab.run(on(...fetching))
    expect(events.at(-1)).toMatchObject({ event: 'done', path: lab.path('album.out') })
    expect(Number(events.at(-1)?.['resumed'])).toBeGreaterThan(0)
  })
})
