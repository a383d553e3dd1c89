/** The limit in memory, changed while fetches ask for room. */
import { describe, expect, it } from 'vitest'
import { name, World } from '../../helpers/storage-world.ts'

describe('a limit that changes while the node runs', () => {
  const unpinned = (world: World, n: number, bytes: number) => {
    world.hold(n, bytes)
    world.holders.set(name(n), 2)
  }

  it('lets more in when it is raised or lifted, and less when it is lowered', async () => {
    const world = new World(100)
    world.hold(1, 80, { isEvictable: false })
    expect(await world.reserve(2, 30)).toBe('ERR_NO_SPACE')
    expect(await world.storage.setLimit(110)).toBeUndefined()
    expect(await world.reserve(2, 30)).toBe('fits')
    expect(await world.storage.setLimit(null)).toBeUndefined()
    expect(await world.reserve(3, 1e12)).toBe('fits')
    world.storage.release(name(3))
    expect(await world.storage.setLimit(110)).toBeUndefined()
    expect(await world.reserve(3, 1)).toBe('ERR_NO_SPACE')
    expect(world.storage.info()).toEqual({ used: 80, reserved: 30, limit: 110, evictable: 0 })
  })

  it('deletes what it needs and no more, and says what stays over', async () => {
    const world = new World(null)
    for (const n of [1, 2, 3]) unpinned(world, n, 40)
    world.hold(4, 50, { isEvictable: false })
    expect(await world.storage.setLimit(130)).toBeUndefined()
    expect(world.gone()).toEqual(['root 1'])
    expect(await world.storage.setLimit(40)).toBe(
      'fetches hold 50 B, over the storage limit of 40 B, and none of it may be deleted: nothing more is fetched'
    )
    expect(world.gone()).toEqual(['root 1', 'root 2', 'root 3'])
    expect(await world.reserve(5, 1)).toBe('ERR_NO_SPACE')
    expect(await world.storage.setLimit(51)).toBeUndefined()
    expect(await world.reserve(5, 1)).toBe('fits')
  })

  it('reckons with all of a fetch that began without one, and leaves it what it was promised', async () => {
    const world = new World(null)
    await world.reserve(1, 80)
    world.hold(1, 80, { state: 'partial', heldBytes: 10 })
    expect(await world.storage.setLimit(100)).toBeUndefined()
    expect(await world.reserve(2, 21)).toBe('ERR_NO_SPACE')
    expect(await world.storage.setLimit(60)).toBe(
      'fetches hold 10 B and 70 B more are promised to those that run, over the storage limit of 60 B, ' +
        'and none of it may be deleted: no other fetch begins'
    )
    expect(world.storage.info()).toMatchObject({ used: 10, reserved: 70 })
    expect(await world.reserve(2, 1)).toBe('ERR_NO_SPACE')
  })

  it('waits for a fetch that makes room, and the next fetch for it', async () => {
    const world = new World(100)
    unpinned(world, 1, 100)
    let open = () => {}
    world.gate = new Promise(resolve => {
      open = resolve
    })
    const order: string[] = []
    const told = <T>(what: string, work: Promise<T>) =>
      work.then(result => {
        order.push(`${what}: ${result}`)
        return result
      })
    const works = [
      told('60 of 100', world.reserve(2, 60)),
      told('limit 50', world.storage.setLimit(50)),
      told('40 of 50', world.reserve(3, 40)),
      told('limit 200', world.storage.setLimit(200)),
      told('140 of 200', world.reserve(4, 140))
    ]
    expect(world.storage.info()).toMatchObject({ limit: 100, used: 100 })
    open()
    await Promise.all(works)
    expect(order).toEqual([
      '60 of 100: fits',
      expect.stringMatching(/^limit 50: .*60 B more are promised/),
      '40 of 50: ERR_NO_SPACE',
      'limit 200: undefined',
      '140 of 200: fits'
    ])
    expect(world.storage.info()).toEqual({ used: 0, reserved: 200, limit: 200, evictable: 0 })
  })

  it('counts what an unfinished fetch has that was not looked at yet', async () => {
    const world = new World(null)
    const root = world.hold(1, 80, { state: 'partial', heldBytes: 0, isLoaded: false, isEvictable: false })
    root.load = async () => {
      Object.assign(root, { isLoaded: true, heldBytes: 70 })
    }
    expect(await world.storage.setLimit(60)).toContain('fetches hold 70 B, over the storage limit of 60 B')
  })

  it('deletes nothing once the node is stopping, and says nothing', async () => {
    const world = new World(null)
    unpinned(world, 1, 100)
    world.stopping.abort()
    expect(await world.storage.setLimit(1)).toBeUndefined()
    expect(world.gone()).toEqual([])
  })
})
