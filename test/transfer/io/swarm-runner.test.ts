import { afterEach, describe, expect, it } from 'vitest'
import { isShared } from '../../../src/base/shared-memory.ts'
import { BLOCK_BYTES, BLOCK_SLACK_BYTES } from '../../../src/transfer/core/config.ts'
import { keystream } from '../../helpers/keystream.ts'
import { MemoryStorage, mapPieces } from '../../helpers/memory-storage.ts'
import { MemoryNetwork, peer, ROOT } from '../../helpers/memory-swarm.ts'

const MIB = 1024 * 1024
let network = new MemoryNetwork()

afterEach(async () => {
  await network.stop()
  network = new MemoryNetwork()
})

function content(seed: string, sizes: number[]) {
  const bytes = keystream(
    sizes.reduce((a, b) => a + b, 0),
    seed
  )
  return { bytes, pieces: mapPieces(bytes, sizes) }
}

const large = () => content('large', [MIB, MIB, MIB, MIB, 700_000])

describe('SwarmRunner', () => {
  it('fetches every byte from one seeder, each once', async () => {
    const { bytes, pieces } = large()
    const seeder = network.seeder('seeder', pieces, bytes)
    const { runner, storage } = network.leecher('leecher', pieces)
    const completed = runner.events.once('completed')
    runner.addPeers([peer('seeder')])
    await completed
    expect(Buffer.compare(storage.bytes, bytes)).toBe(0)
    runner.tick()
    seeder.tick()
    expect(runner.receivedBytes).toBe(bytes.byteLength)
    expect(seeder.sentBytes).toBe(bytes.byteLength)
    expect([...runner.facts.givers]).toEqual(['seeder'])
  })

  it('does not wait for peers that are banned while they are dialled, or were in another swarm', async () => {
    const { bytes, pieces } = large()
    network.seeder('seeder', pieces, bytes)
    const { runner } = network.leecher('leecher', pieces)
    const bad = Array.from({ length: 8 }, (_, at) => `bad${at}`)
    for (const id of bad) network.host(id)
    network.onStream = (_, to) => {
      if (bad.includes(to)) network.hosts.get('leecher')?.ban(to, 'false data elsewhere')
    }
    const completed = runner.events.once('completed')
    runner.addPeers([...bad, 'seeder'].map(peer))
    await completed
    expect([...runner.facts.failures.keys()]).toEqual(['were banned'])
  })

  it('fetches thousands of small pieces in few requests', async () => {
    const { bytes, pieces } = content('small', new Array(3000).fill(4096))
    network.seeder('seeder', pieces, bytes)
    const { runner, storage } = network.leecher('leecher', pieces)
    let requests = 0
    runner.events.on('progressed', () => requests++)
    const completed = runner.events.once('completed')
    runner.addPeers([peer('seeder')])
    await completed
    expect(Buffer.compare(storage.bytes, bytes)).toBe(0)
    expect(requests).toBeLessThan(3000 / 20)
  })

  it('lets leechers serve each other, so that the seeder sends far less than all copies', async () => {
    const { bytes, pieces } = content('many', new Array(24).fill(256 * 1024))
    const seeder = network.seeder('seeder', pieces, bytes, { up: 12_000_000 })
    const leechers = ['a', 'b', 'c', 'd'].map(id => network.leecher(id, pieces))
    const done = leechers.map(({ runner }) => runner.events.once('completed'))
    for (const { runner } of leechers) runner.addPeers(['seeder', 'a', 'b', 'c', 'd'].map(peer))
    await Promise.all(done)
    for (const { storage } of leechers) expect(Buffer.compare(storage.bytes, bytes)).toBe(0)
    seeder.tick()
    expect(seeder.sentBytes).toBeLessThan(bytes.byteLength * 3)
    const givers = new Set(leechers.flatMap(({ runner }) => [...runner.facts.givers]))
    expect(givers.size).toBeGreaterThan(1)
  })

  it('bans a peer that sends wrong bytes, keeps none of them, and finishes with an honest one', async () => {
    const { bytes, pieces } = large()
    const wrong = bytes.slice()
    for (let at = 0; at < wrong.byteLength; at += 5000) wrong[at] = (wrong[at] ?? 0) ^ 1
    network.seeder('liar', pieces, wrong)
    const { runner, storage } = network.leecher('leecher', pieces)
    const banned = network.hosts.get('leecher')?.events.once('peer:banned')
    const completed = runner.events.once('completed')
    runner.addPeers([peer('liar')])
    expect((await banned)?.peerId).toBe('liar')
    expect(storage.have.count).toBe(0)
    network.seeder('honest', pieces, bytes)
    runner.addPeers([peer('honest'), peer('liar')])
    await completed
    expect(Buffer.compare(storage.bytes, bytes)).toBe(0)
    expect([...runner.facts.givers]).toEqual(['honest'])
  })

  it('goes on when the seeder vanishes in the middle and another comes', async () => {
    const { bytes, pieces } = content('vanish', new Array(40).fill(256 * 1024))
    network.seeder('first', pieces, bytes)
    const { runner, storage } = network.leecher('leecher', pieces)
    const completed = runner.events.once('completed')
    runner.addPeers([peer('first')])
    await runner.events.once('piece:verified')
    await network.hosts.get('first')?.stop()
    network.seeder('second', pieces, bytes)
    runner.addPeers([peer('second')])
    await completed
    expect(Buffer.compare(storage.bytes, bytes)).toBe(0)
  })

  it('reports a storage that cannot write, without blame, and goes on when it can', async () => {
    const { bytes, pieces } = large()
    network.seeder('seeder', pieces, bytes)
    const { runner, storage } = network.leecher('leecher', pieces)
    storage.writeError = new Error('disk full')
    const unwritten = runner.events.once('unwritten')
    runner.addPeers([peer('seeder')])
    expect((await unwritten).message).toBe('disk full')
    expect(runner.facts.bannedPeers.size).toBe(0)
    storage.writeError = undefined
    const completed = runner.events.once('completed')
    runner.setFetching(true)
    await completed
    expect(Buffer.compare(storage.bytes, bytes)).toBe(0)
  })

  it('fetches what a reader wants first, and only that when told so', async () => {
    const { bytes, pieces } = content('reader', new Array(16).fill(MIB / 4))
    network.seeder('seeder', pieces, bytes)
    const runner = network.host('leecher').open(ROOT)
    const storage = new MemoryStorage(pieces)
    runner.setPriorities({ ranges: [{ offset: 10 * 256 * 1024, length: 2 * 256 * 1024 }], onlyThese: true })
    runner.attach(storage, { fetch: true })
    const verified: number[] = []
    const both = new Promise<void>(resolve => {
      runner.events.on('piece:verified', ({ piece }) => {
        verified.push(piece)
        if (verified.length === 2) resolve()
      })
    })
    runner.addPeers([peer('seeder')])
    await both
    expect(verified.sort((a, b) => a - b)).toEqual([10, 11])
    const completed = runner.events.once('completed')
    runner.setPriorities({ ranges: [], onlyThese: false })
    await completed
    expect(storage.have.isFull).toBe(true)
  })

  it('keeps the limit of a root, and a change of it, however fast the machine is', async () => {
    const { bytes, pieces } = content('limited', [MIB / 4, MIB / 4, MIB / 4])
    const seeder = network.seeder('seeder', pieces, bytes)
    const { runner, storage } = network.leecher('leecher', pieces)
    const rate = 400_000
    seeder.limits.set({ up: rate })
    const began = performance.now()
    const completed = runner.events.once('completed')
    runner.addPeers([peer('seeder')])
    await runner.events.once('piece:verified')
    const seconds = (performance.now() - began) / 1000
    expect(MIB / 4).toBeLessThanOrEqual(rate * seconds * 1.03 + rate / 4)
    seeder.limits.set({})
    await completed
    expect(Buffer.compare(storage.bytes, bytes)).toBe(0)
  })

  it('asks no faster than the limits of root and node allow', async () => {
    const { bytes, pieces } = content('limited', new Array(6).fill(MIB / 4))
    network.seeder('seeder', pieces, bytes)
    const { runner } = network.leecher('leecher', pieces)
    const rate = 1_000_000
    runner.limits.set({ down: rate })
    const began = performance.now()
    const completed = runner.events.once('completed')
    runner.addPeers([peer('seeder')])
    await completed
    const seconds = (performance.now() - began) / 1000
    // the last request and the burst come on top
    expect(bytes.byteLength).toBeLessThanOrEqual(rate * seconds * 1.03 + rate / 4 + MIB / 4)
  })

  it('counts the time in which its own limit holds everything back as no stall', async () => {
    const { bytes, pieces } = content('slow', new Array(4).fill(MIB / 4))
    network.seeder('seeder', pieces, bytes)
    const { runner } = network.leecher('leecher', pieces, { down: 1000 })
    runner.addPeers([peer('seeder')])
    await runner.events.once('piece:verified')
    let signs = 0
    runner.events.on('progressed', () => signs++)
    runner.tick()
    expect(signs).toBe(1)
    runner.setFetching(false)
    runner.tick()
    expect(signs).toBe(1)
  })

  it('serves other roots while one waits for its own limit', async () => {
    const other = Uint8Array.from([...ROOT.slice(0, -1), 8])
    const { bytes, pieces } = large()
    const seeder = network.host('seeder', { up: 50_000_000 })
    const leecher = network.host('leecher')
    const open = (root: Uint8Array) => {
      const serving = seeder.open(root)
      serving.attach(new MemoryStorage(pieces, bytes), { fetch: false })
      const fetching = leecher.open(root)
      fetching.attach(new MemoryStorage(pieces), { fetch: true })
      return { serving, fetching }
    }
    const slow = open(ROOT)
    slow.serving.limits.set({ up: 100 })
    slow.fetching.addPeers([peer('seeder')])
    await expect.poll(() => slow.serving.sessions.length, { timeout: 30_000 }).toBe(1)
    const fast = open(other)
    const completed = fast.fetching.events.once('completed')
    fast.fetching.addPeers([peer('seeder')])
    await completed
    expect(slow.fetching.storage?.have.count).toBe(0)
  })

  it('tells a peer that asks for a root which is not here', async () => {
    network.host('empty')
    const { bytes, pieces } = large()
    expect(bytes.byteLength).toBeGreaterThan(0)
    const { runner } = network.leecher('leecher', pieces)
    runner.addPeers([peer('empty')])
    await expect.poll(() => [...runner.facts.failures.keys()]).toEqual(['did not have it'])
  })

  it('keeps memory that threads see for the largest block that there is, and uses it again', () => {
    const { pool } = network.host('node')
    const buffer = pool.take(BLOCK_BYTES + BLOCK_SLACK_BYTES)
    expect(isShared(buffer)).toBe(true)
    pool.give(buffer)
    expect(pool.take(BLOCK_BYTES)).toBe(buffer)
  })
})
