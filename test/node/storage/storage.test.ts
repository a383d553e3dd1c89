/** The limit in memory: fetches, readers and pins in any order, against a naive model of the disk. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { name, World } from '../../helpers/storage-world.ts'

const HOUR = 3_600_000

describe('a fetch', () => {
  it('that fits is let go on, one that does not is refused, and says what would help', async () => {
    const world = new World(100)
    world.hold(1, 60, { isEvictable: false })
    expect(await world.reserve(2, 40)).toBe('fits')
    expect(world.storage.info()).toEqual({ used: 60, reserved: 40, limit: 100, evictable: 0 })
    await expect(world.storage.reserve(name(3), { name: 'film.mkv', bytes: 1 })).rejects.toMatchObject({
      code: 'ERR_NO_SPACE',
      message:
        'film.mkv needs 1 B, and the storage limit is 100 B, of which 60 B are held and 40 B promised to other fetches',
      hint: expect.stringContaining('--max-storage'),
      details: { bytes: 1, limit: 100, used: 60, reserved: 40, evictable: 0 }
    })
    world.storage.release(name(2))
    expect(await world.reserve(3, 40)).toBe('fits')
  })

  it('counts with its whole size while it runs, and with what it has when it has ended', async () => {
    const world = new World(100)
    await world.reserve(1, 80)
    world.hold(1, 80, { state: 'partial', heldBytes: 10 })
    expect(world.storage.info()).toMatchObject({ used: 10, reserved: 70 })
    expect(await world.reserve(2, 21)).toBe('ERR_NO_SPACE')
    world.storage.release(name(1))
    expect(world.storage.info()).toMatchObject({ used: 10, reserved: 0 })
    expect(await world.reserve(2, 90)).toBe('fits')
    // going on with the first needs all of it again
    expect(await world.reserve(1, 80)).toBe('ERR_NO_SPACE')
  })

  it('larger than the limit deletes nothing', async () => {
    const world = new World(100)
    world.hold(1, 50)
    world.holders.set(name(1), 8)
    expect(await world.reserve(2, 101)).toBe('ERR_NO_SPACE')
    expect([world.gone(), world.asked]).toEqual([[], []])
  })

  it('for which there would not be enough deletes nothing either', async () => {
    const world = new World(100)
    world.hold(1, 50)
    world.hold(2, 50, { isEvictable: false })
    world.holders.set(name(1), 8)
    expect(await world.reserve(3, 51)).toBe('ERR_NO_SPACE')
    expect(world.gone()).toEqual([])
    expect(await world.reserve(3, 50)).toBe('fits')
    expect(world.evicted).toEqual([{ cid: name(1), name: 'root 1', path: '/out/1', bytes: 50, left: [] }])
  })

  it('of which nothing is limited costs nothing', async () => {
    const world = new World(null)
    world.hold(1, 50)
    expect(await world.reserve(2, 1e15)).toBe('fits')
    expect(await world.storage.enforce()).toBeUndefined()
    expect(world.asked).toEqual([])
  })
})

describe('what goes', () => {
  it('is what many have first, and never what nobody is known to have', async () => {
    const world = new World(100)
    for (const [n, holders] of [0, 1, 9].entries()) {
      world.hold(n + 1, 30)
      world.holders.set(name(n + 1), holders)
    }
    await world.reserve(4, 40)
    expect(world.gone()).toEqual(['root 3'])
    await world.reserve(5, 30)
    expect(world.gone()).toEqual(['root 3', 'root 2'])
    expect(await world.reserve(6, 1)).toBe('ERR_NO_SPACE')
    expect(world.roots.has(name(1))).toBe(true)
  })

  it('is what was used least recently among those as many have: served, read or fetched', async () => {
    const world = new World(100)
    for (const n of [1, 2, 3]) {
      world.hold(n, 30)
      world.holders.set(name(n), 2)
    }
    world.now += 1
    world.activity.set(name(1), { sentBytes: 5, givers: 0 })
    world.storage.noteServed()
    world.now += 1
    await world.storage.holding(name(2), async () => {})
    await world.reserve(4, 40)
    await world.reserve(5, 30)
    expect(world.gone()).toEqual(['root 3', 'root 1'])
  })

  it('who has it is asked again after ten minutes, and believed for two days where nobody answers', async () => {
    const world = new World(100)
    world.hold(1, 100)
    world.activity.set(name(1), { sentBytes: 0, givers: 3 })
    world.storage.release(name(1))
    world.now += 47 * HOUR
    world.hold(2, 1, { isEvictable: false, source: 'share' })
    expect(await world.reserve(3, 50)).toBe('fits')
    expect(world.asked).toEqual([name(1)])
    const later = new World(100)
    later.hold(1, 100)
    later.activity.set(name(1), { sentBytes: 0, givers: 3 })
    later.storage.release(name(1))
    later.now += 49 * HOUR
    expect(await later.reserve(3, 50)).toBe('ERR_NO_SPACE')
    later.now += 1
    later.storage.release(name(1))
    expect(await later.reserve(3, 50)).toBe('fits')
    expect(later.asked).toEqual([name(1)])
  })

  it('is nothing that is read, fetched, shared, or whose files are of another root as well', async () => {
    const world = new World(100)
    for (const n of [1, 2, 3, 4]) world.holders.set(name(n), 8)
    world.hold(1, 20)
    world.hold(2, 20)
    world.hold(3, 20, { path: '/films' })
    world.hold(4, 0, { path: '/films/one.mkv', source: 'share', isEvictable: false })
    const release = await world.storage.hold(name(1))
    await world.reserve(2, 20)
    expect(world.storage.info().evictable).toBe(0)
    expect(await world.reserve(5, 41)).toBe('ERR_NO_SPACE')
    release()
    expect(await world.reserve(5, 41)).toBe('fits')
    expect(world.gone()).toEqual(['root 1'])
  })

  it('is nothing whose files another root has by another path', async () => {
    const links = new Map([['/link/films', '/films']])
    const world = new World(100, { realPath: async path => links.get(path) ?? path })
    world.holders.set(name(1), 8)
    world.hold(1, 60, { path: '/link/films' })
    world.hold(2, 0, { path: '/films', source: 'share', isEvictable: false })
    expect(await world.reserve(3, 50)).toBe('ERR_NO_SPACE')
    expect(await world.storage.setLimit(50)).toContain('none of it may be deleted')
    expect(world.storage.info().evictable).toBe(0)
    expect(world.gone()).toEqual([])
    world.roots.delete(name(2))
    expect(await world.storage.setLimit(50)).toBeUndefined()
    expect(world.gone()).toEqual(['root 1'])
  })

  it('is nothing that was shared by another path while others were looked for', async () => {
    const links = new Map([['/link/films', '/films']])
    const world = new World(100, {
      realPath: async path => links.get(path) ?? path,
      findHolders: async () => {
        world.hold(2, 0, { path: '/films/one.mkv', source: 'share', isEvictable: false })
        return 8
      }
    })
    world.hold(1, 60, { path: '/link/films' })
    expect(await world.reserve(3, 50)).toBe('ERR_NO_SPACE')
    expect([world.gone(), world.withdrawn]).toEqual([[], []])
  })

  it('is not what was asked for while others were looked for', async () => {
    const world = new World(100, {
      findHolders: async () => {
        await world.storage.hold(name(1))
        return 8
      }
    })
    world.hold(1, 100)
    expect(await world.reserve(2, 50)).toBe('ERR_NO_SPACE')
    expect([world.gone(), world.withdrawn]).toEqual([[], []])
  })

  it('of many roots few are asked about, and none of them twice', async () => {
    const world = new World(100)
    for (let n = 1; n <= 20; n++) world.hold(n, 5)
    world.holders.set(name(9), 1)
    world.holders.set(name(12), 1)
    expect(await world.reserve(30, 5)).toBe('fits')
    expect(world.gone()).toEqual(['root 9'])
    expect(world.asked).toEqual(Array.from({ length: 16 }, (_, i) => name(i + 1)))
    expect(await world.reserve(31, 6)).toBe('ERR_NO_SPACE')
    expect(world.asked).toHaveLength(20)
    expect(await world.reserve(31, 5)).toBe('fits')
    expect([world.gone(), world.asked.length]).toEqual([['root 9', 'root 12'], 20])
  })

  it('is looked for by one fetch at a time: what it wins may do for the next', async () => {
    const world = new World(100)
    world.hold(1, 100)
    world.holders.set(name(1), 8)
    expect(await Promise.all([world.reserve(2, 50), world.reserve(3, 50)])).toEqual(['fits', 'fits'])
    expect(world.asked).toEqual([name(1)])
  })

  it('is nothing once the node is stopping', async () => {
    const world = new World(100)
    world.hold(1, 100)
    world.holders.set(name(1), 8)
    world.stopping.abort()
    expect(await world.reserve(2, 50)).toBe('ERR_NO_SPACE')
    expect(world.gone()).toEqual([])
  })

  it('and what cannot go is served again', async () => {
    const world = new World(100)
    for (const n of [1, 2]) {
      world.hold(n, 50)
      world.holders.set(name(n), n === 1 ? 8 : 1)
    }
    world.failing.add(name(1))
    expect(await world.reserve(3, 50)).toBe('fits')
    expect([world.gone(), world.withdrawn]).toEqual([['root 2'], [name(2)]])
  })

  it('is waited for by whoever wants it again', async () => {
    const world = new World(100)
    world.hold(1, 100)
    world.holders.set(name(1), 8)
    let open = () => {}
    world.gate = new Promise(resolve => {
      open = resolve
    })
    const fits = world.reserve(2, 50)
    while (world.withdrawn.length === 0) await new Promise(resolve => setImmediate(resolve))
    const seen: string[] = []
    const held = world.storage.holding(name(1), async () => seen.push(world.roots.has(name(1)) ? 'there' : 'gone'))
    await new Promise(resolve => setImmediate(resolve))
    expect(seen).toEqual([])
    open()
    await held
    expect([seen, await fits]).toEqual([['gone'], 'fits'])
  })
})

describe('a limit that was lowered', () => {
  it('deletes what may go, just as much as is needed', async () => {
    const world = new World(100)
    for (const n of [1, 2, 3, 4]) {
      world.hold(n, 40, { isEvictable: n !== 4 })
      world.holders.set(name(n), 2)
    }
    expect(await world.storage.enforce()).toBeUndefined()
    expect(world.gone()).toEqual(['root 1', 'root 2'])
  })

  it('says so where that is not enough', async () => {
    const world = new World(100)
    world.hold(1, 40)
    world.hold(2, 150, { isEvictable: false })
    world.holders.set(name(1), 2)
    expect(await world.storage.enforce()).toContain('150 B, over the storage limit of 100 B')
    expect(world.gone()).toEqual(['root 1'])
    expect(await world.reserve(3, 1)).toBe('ERR_NO_SPACE')
  })
})

describe('whatever happens', () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('fetch' as const), n: fc.nat(7), bytes: fc.integer({ min: 1, max: 120 }) }),
    fc.record({ do: fc.constantFrom('end' as const, 'fail' as const, 'pin' as const, 'unpin' as const), n: fc.nat(7) }),
    fc.record({ do: fc.constant('write' as const), n: fc.nat(7), bytes: fc.nat(60) })
  )

  it('no byte goes beyond the limit, and nothing goes that is pinned, running or the last copy', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(step, { maxLength: 4 }), { maxLength: 20 }), async rounds => {
        const limit = 100
        const world = new World(limit)
        const running = new Set<number>()
        /** Fetches that wait for room. */
        const asked = new Set<number>()
        const kept = () =>
          [...world.roots.values()].filter(root => !root.isEvictable || running.has(root.addedAt) || root.addedAt < 2)
        for (let n = 2; n < 8; n++) world.holders.set(name(n), n)
        for (const round of rounds) {
          const before = kept()
          const ended = new Set(
            round.flatMap(one => (one.do === 'unpin' || one.do === 'end' || one.do === 'fail' ? [one.n] : []))
          )
          // those of a round are under way together
          await Promise.all(
            round.map(async one => {
              const root = world.roots.get(name(one.n))
              if (one.do === 'fetch') {
                if (running.has(one.n) || asked.has(one.n)) return
                asked.add(one.n)
                const bytes = root?.totalBytes ?? one.bytes
                const fits = (await world.reserve(one.n, bytes)) === 'fits'
                asked.delete(one.n)
                if (!fits) return
                // nothing is written before there is room
                running.add(one.n)
                if (world.roots.get(name(one.n)) === undefined) {
                  world.hold(one.n, bytes, { state: 'partial', heldBytes: 0, isEvictable: false })
                }
              } else if (root === undefined) return
              else if (one.do === 'write' && running.has(one.n)) {
                root.heldBytes = Math.min(root.totalBytes, root.heldBytes + one.bytes)
              } else if (one.do === 'end' && running.has(one.n) && root.state === 'partial') {
                Object.assign(root, { state: 'complete', heldBytes: root.totalBytes })
                running.delete(one.n)
                world.storage.release(name(one.n))
              } else if (one.do === 'fail' && running.has(one.n)) {
                running.delete(one.n)
                world.storage.release(name(one.n))
              } else if (one.do === 'pin' || one.do === 'unpin') root.isEvictable = one.do === 'unpin'
            })
          )
          const onDisk = [...world.roots.values()].reduce((sum, root) => sum + root.heldBytes, 0)
          expect(onDisk).toBeLessThanOrEqual(limit)
          const { used, reserved } = world.storage.info()
          expect(used + reserved).toBeLessThanOrEqual(limit)
          for (const root of before)
            if (!ended.has(root.addedAt)) expect(world.roots.get(root.cid.toString())).toBe(root)
        }
      }),
      { numRuns: 300 }
    )
  })
})

describe('what is deleted while nobody uses it', () => {
  it('keeps those waiting who would, and is left where somebody does', async () => {
    const world = new World(100)
    let end = () => {}
    const deleted = world.storage.whileUnused(
      name(1),
      () => new Promise<string>(resolve => (end = () => resolve('it')))
    )
    const order: string[] = []
    const held = world.storage.holding(name(1), async () => order.push('held'))
    expect(await world.storage.whileUnused(name(1), async () => 'again')).toBeUndefined()
    await world.storage.holding(name(2), async () => order.push('another'))
    expect(
      await world.storage.holding(name(2), () => world.storage.whileUnused(name(2), async () => 'it'))
    ).toBeUndefined()
    end()
    expect(await deleted).toBe('it')
    await held
    expect(order).toEqual(['another', 'held'])
    await expect(world.storage.whileUnused(name(1), () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(await world.storage.whileUnused(name(1), async () => 'it')).toBe('it')
  })
})
