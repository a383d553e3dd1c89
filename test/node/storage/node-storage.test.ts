/** The storage limit of nodes of this process, over loopback: what they fetch, read, let go, and tidy away. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { silentLogger } from '../../../src/base/log.ts'
import { ContentStore } from '../../../src/content/store/content-store.ts'
import { Database } from '../../../src/content/store/database.ts'
import { createNode, type NodeEvents, type ShoalNode } from '../../../src/index.ts'
import { collect, eachWithLab, type NodeLab } from '../../helpers/node-lab.ts'

const MB = 1_000_000
let lab: NodeLab
eachWithLab(fresh => {
  lab = fresh
})

afterEach(() => {
  vi.restoreAllMocks()
})

async function shared(node: ShoalNode, name: string, length: number) {
  const { path, bytes } = lab.file(name, length)
  return { ...(await node.share(path)), bytes }
}

function evictionsOf(node: ShoalNode): Array<NodeEvents['root:evicted']> {
  const events: Array<NodeEvents['root:evicted']> = []
  node.on('root:evicted', event => events.push(event))
  return events
}

const out = (name: string) => join(lab.dir, name)

describe('a storage limit', () => {
  it('refuses what does not fit before anything is written', async () => {
    const source = await lab.start('source')
    const [small, large] = [await shared(source, 'small', MB), await shared(source, 'large', 2 * MB + 1)]
    const node = await lab.start('node', { peers: source.addrs, maxStorage: 2 * MB })
    await expect(node.fetch(large.cid, { to: out('large.out') }).done).rejects.toMatchObject({
      code: 'ERR_NO_SPACE',
      message: expect.stringContaining('storage limit of 2.00 MB'),
      hint: expect.stringContaining('--max-storage')
    })
    expect(readdirSync(lab.dir).sort()).toEqual(['large', 'node', 'small', 'source'])
    await node.fetch(small.cid, { to: out('small.out') }).done
    expect((await node.status()).storage).toEqual({ used: MB, reserved: 0, limit: 2 * MB, evictable: 0 })
    expect(await node.list()).toMatchObject([{ cid: small.cid, pinned: true }])
    // what is shared does not count
    await shared(node, 'own', 3 * MB)
    expect((await node.status()).storage.used).toBe(MB)
  })

  it('is kept by what was held whole and is fetched anew, as its file is gone', async () => {
    const source = await lab.start('source')
    const large = await shared(source, 'large', 3 * MB)
    const node = await lab.start('node', { peers: source.addrs, maxStorage: 2 * MB })
    const own = lab.file('own', 0)
    writeFileSync(own.path, large.bytes)
    expect((await node.share(own.path)).cid).toBe(large.cid)
    const copy = await node.fetch(large.cid, { to: out('copy.out') }).done
    expect([copy.size, copy.fetched]).toEqual([3 * MB, 0])
    rmSync(own.path)
    await expect(node.fetch(large.cid, { to: out('large.out') }).done).rejects.toMatchObject({ code: 'ERR_NO_SPACE' })
    await expect(node.fetch(large.cid, { to: own.path }).done).rejects.toMatchObject({ code: 'ERR_NO_SPACE' })
    expect((await node.status()).storage).toMatchObject({ used: 0, reserved: 0 })
  })

  it('counts what was fetched, damaged and put right again as what it was', async () => {
    const source = await lab.start('source')
    const { cid, bytes } = await shared(source, 'thing', MB)
    const node = await lab.start('node', { peers: source.addrs, maxStorage: 2 * MB })
    for (const options of [{ cache: true }, { to: out('thing.out') }]) {
      const { path } = await node.fetch(cid, options).done
      const pinned = options.cache !== true
      for (const wrong of [new Uint8Array(MB), undefined]) {
        if (wrong === undefined) rmSync(path)
        else writeFileSync(path, wrong)
        expect((await node.verify(cid)).bad).not.toEqual([])
        expect(await node.list()).toMatchObject([{ state: 'damaged', have: 0 }])
        writeFileSync(path, bytes)
        expect(await node.fetch(cid, options).done).toMatchObject({ fetched: 0, path })
        expect(await node.list()).toMatchObject([{ state: 'seeding', have: MB, pinned, problem: null }])
        expect((await node.status()).storage.used).toBe(MB)
      }
      await node.remove(cid)
      rmSync(path)
    }
  })

  it('counts what was fetched and is recognised by its bytes, as its manifest was lost, as what it was', async () => {
    const source = await lab.start('source')
    mkdirSync(out('tree'))
    for (const name of ['a', 'b']) writeFileSync(join(out('tree'), name), lab.file(name, MB / 2).bytes)
    const { cid } = await source.share(out('tree'))
    for (const options of [{ cache: true }, { to: out('tree.out') }]) {
      const name = `node ${options.cache === true}`
      const node = await lab.start(name, { peers: source.addrs })
      const { path } = await node.fetch(cid, options).done
      await node.stop()
      const db = await Database.open(out(`${name}/store`), () => {}, silentLogger)
      for await (const key of db.keys('node/')) await db.write([{ type: 'del', key }], { sync: true })
      await db.close()
      const again = await lab.start(name, { offline: true })
      expect(await again.list()).toMatchObject([{ state: 'damaged' }])
      expect(await again.fetch(cid, options).done).toMatchObject({ fetched: 0, path })
      expect(await again.list()).toMatchObject([{ state: 'seeding', have: MB, pinned: options.cache !== true }])
      expect((await again.status()).storage.used).toBe(MB)
    }
  })

  it('counts what lies in the cache still, as it was removed, as cached when it is fetched again', async () => {
    const source = await lab.start('source')
    const { cid, bytes } = await shared(source, 'thing', MB)
    const node = await lab.start('node', { peers: source.addrs })
    const { path } = await node.fetch(cid, { cache: true }).done
    await node.remove(cid)
    expect(readFileSync(path).equals(bytes)).toBe(true)
    expect(await node.fetch(cid, { cache: true }).done).toMatchObject({ fetched: 0, path })
    expect(await node.list()).toMatchObject([{ state: 'seeding', have: MB, pinned: false }])
    expect((await node.status()).storage).toMatchObject({ used: MB, evictable: MB })
  })

  it('fetches what lay in the cache still and goes as it is taken up', async () => {
    const source = await lab.start('source')
    const { cid, bytes } = await shared(source, 'thing', MB)
    const node = await lab.start('node', { peers: source.addrs })
    const { path } = await node.fetch(cid, { cache: true }).done
    await node.remove(cid)
    const { addShared } = ContentStore.prototype
    vi.spyOn(ContentStore.prototype, 'addShared').mockImplementationOnce(async function (this: ContentStore, init) {
      rmSync(path)
      return await addShared.call(this, init)
    })
    expect(await node.fetch(cid, { cache: true }).done).toMatchObject({ fetched: MB, path })
    vi.restoreAllMocks()
    expect(readFileSync(path).equals(bytes)).toBe(true)
    expect((await node.status()).storage).toMatchObject({ used: MB, reserved: 0, evictable: MB })
  })

  it('leaves gc none of what lies in the cache still and is just taken up', async () => {
    const source = await lab.start('source')
    const { cid } = await shared(source, 'thing', MB)
    const node = await lab.start('node', { peers: source.addrs })
    const { path } = await node.fetch(cid, { cache: true }).done
    await node.remove(cid)
    const { addShared } = ContentStore.prototype
    vi.spyOn(ContentStore.prototype, 'addShared').mockImplementationOnce(async function (this: ContentStore, init) {
      expect((await node.gc()).items).toEqual([])
      return await addShared.call(this, init)
    })
    expect(await node.fetch(cid, { cache: true }).done).toMatchObject({ fetched: 0, path })
    await node.remove(cid)
    expect((await node.gc()).items).toMatchObject([{ kind: 'cache', path, fate: 'deleted' }])
  })

  it.each(['fetched', 'shared'])(
    'keeps pinned what was %s, was changed, and is read from the cache since',
    async how => {
      const source = await lab.start('source')
      const { cid, bytes } = await shared(source, 'thing', MB)
      const node = await lab.start('node', { peers: source.addrs, maxStorage: 2 * MB })
      const { path } = await node.fetch(cid, { to: out('thing.out') }).done
      if (how === 'shared') await node.share(path)
      writeFileSync(path, 'changed')
      await node.verify(cid)
      expect((await collect(node.read(cid))).equals(bytes)).toBe(true)
      await expect.poll(async () => (await node.list())[0]?.state).toBe('seeding')
      expect(await node.list()).toMatchObject([{ cid, pinned: true }])
      expect(readFileSync(path, 'utf8')).toBe('changed')
      const other = await shared(source, 'other', 2 * MB)
      await expect(node.fetch(other.cid, { cache: true }).done).rejects.toMatchObject({ code: 'ERR_NO_SPACE' })
      await node.setPinned(cid, false)
      await node.fetch(other.cid, { cache: true }).done
      expect(await node.list()).toMatchObject([{ cid: other.cid }])
    }
  )

  it('never leads to a place of the user’s whose tree is not the content’s, even by force', async () => {
    const source = await lab.start('source')
    const { cid, bytes } = await shared(source, 'thing', MB)
    const node = await lab.start('node', { peers: source.addrs })
    const own = out('own')
    writeFileSync(own, bytes)
    await node.share(own)
    writeFileSync(own, Buffer.concat([bytes, Buffer.from('NOTES')]))
    for (const force of [false, true]) {
      await expect(node.fetch(cid, { cache: true, force }).done).rejects.toMatchObject({
        code: 'ERR_EXISTS',
        hint: expect.stringContaining('shoal rm')
      })
      expect(readFileSync(own).subarray(MB).toString()).toBe('NOTES')
    }
    await node.remove(cid)
    const fetched = await node.fetch(cid, { cache: true, force: true }).done
    expect(fetched.path).toBe(out(`node/cache/${cid}`))
    expect(readFileSync(fetched.path).equals(bytes)).toBe(true)
    expect(readFileSync(own).subarray(MB).toString()).toBe('NOTES')
  })

  it('is kept by two fetches together', async () => {
    const source = await lab.start('source', { up: 200_000 })
    const roots = [await shared(source, 'a', 1.2 * MB), await shared(source, 'b', 1.2 * MB)]
    const node = await lab.start('node', { peers: source.addrs, maxStorage: 2 * MB })
    const first = node.fetch(roots[0]?.cid ?? '', { to: out('a.out') })
    await new Promise<void>(resolve => first.on('progressed', ({ size }) => size > 0 && resolve()))
    expect((await node.status()).storage).toMatchObject({ limit: 2 * MB })
    const { used, reserved } = (await node.status()).storage
    expect(used + reserved).toBe(1.2 * MB)
    const second = node.fetch(roots[1]?.cid ?? '', { to: out('b.out') })
    await expect(second.done).rejects.toMatchObject({ code: 'ERR_NO_SPACE', details: { limit: 2 * MB } })
    first.cancel()
    await expect(first.done).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    await source.setLimits({ up: null })
    // it ends when what it has is recorded
    await expect.poll(async () => (await node.status()).storage.reserved, { timeout: 20_000 }).toBe(0)
    // what the first has counts still
    await node.remove(roots[0]?.cid ?? '')
    expect((await node.fetch(roots[1]?.cid ?? '', { to: out('b.out') }).done).size).toBe(1.2 * MB)
  })

  it('makes room with what was unpinned or only read, and with nothing else', async () => {
    const source = await lab.start('source')
    const [pinned, loose, read, next, last] = [
      await shared(source, 'pinned', MB),
      await shared(source, 'loose', MB),
      await shared(source, 'read', MB),
      await shared(source, 'next', MB),
      await shared(source, 'last', 2 * MB)
    ]
    const node = await lab.start('node', { peers: source.addrs, maxStorage: 3 * MB })
    const evicted = evictionsOf(node)
    await node.fetch(pinned.cid, { to: out('pinned.out') }).done
    await node.fetch(loose.cid, { to: out('loose.out') }).done
    await node.setPinned(loose.cid, false)
    expect((await collect(node.read(read.cid))).equals(Buffer.from(read.bytes))).toBe(true)
    expect((await node.status()).storage.evictable).toBe(2 * MB)
    expect(existsSync(join(lab.dir, 'node', 'cache'))).toBe(true)
    await node.fetch(next.cid, { to: out('next.out') }).done
    // both have the same holder, and the other was read since
    expect(evicted).toMatchObject([{ cid: loose.cid, path: out('loose.out'), bytes: MB, left: [] }])
    expect(existsSync(out('loose.out'))).toBe(false)
    await expect(node.fetch(last.cid, { to: out('last.out') }).done).rejects.toMatchObject({ code: 'ERR_NO_SPACE' })
    expect(evicted).toHaveLength(1)
    expect(readFileSync(out('pinned.out')).equals(Buffer.from(pinned.bytes))).toBe(true)
    expect((await node.list()).map(({ cid }) => cid).sort()).toEqual([pinned.cid, read.cid, next.cid].sort())
    // gone is gone from the disk alone: it is fetched again like anything else
    await node.setPinned(next.cid, false)
    expect((await node.fetch(loose.cid, { to: out('loose.out') }).done).fetched).toBe(MB)
  })

  it('that was lowered deletes what may go and refuses more', async () => {
    const source = await lab.start('source')
    const roots = [await shared(source, 'a', MB), await shared(source, 'b', MB), await shared(source, 'c', MB)]
    let node = await lab.start('node', { peers: source.addrs })
    for (const [i, { cid }] of roots.entries()) if (i < 2) await node.fetch(cid, { to: out(`${i}.out`) }).done
    const [a = '', b = '', c = ''] = roots.map(({ cid }) => cid)
    await node.setPinned(a, false)
    await node.stop()
    node = await lab.make('node', { peers: source.addrs, maxStorage: 0.5 * MB })
    const gone = new Promise<NodeEvents['root:evicted']>(resolve => node.on('root:evicted', resolve))
    const told = new Promise<NodeEvents['storage:exceeded']>(resolve => node.on('storage:exceeded', resolve))
    await node.start()
    expect(await gone).toMatchObject({ cid: a, bytes: MB })
    expect((await told).message).toContain('over the storage limit')
    expect((await node.status()).problems).toEqual([(await told).message])
    expect((await node.list()).map(({ cid, pinned }) => [cid, pinned])).toEqual([[b, true]])
    await expect(node.fetch(c, { to: out('c.out') }).done).rejects.toMatchObject({ code: 'ERR_NO_SPACE' })
    expect(existsSync(out('1.out'))).toBe(true)
  })

  it('changes while the node runs, for a fetch that is under way as well', async () => {
    const source = await lab.start('source', { up: 200_000 })
    const [kept, loose, next] = [
      await shared(source, 'kept', 1.2 * MB),
      await shared(source, 'loose', 0.2 * MB),
      await shared(source, 'next', 0.2 * MB)
    ]
    const node = await lab.start('node', { peers: source.addrs })
    const evicted = evictionsOf(node)
    const told: unknown[] = []
    node.on('storage:limited', storage => told.push(storage))
    node.on('storage:exceeded', exceeded => told.push(exceeded))
    await node.fetch(loose.cid, { to: out('loose.out') }).done
    await node.setPinned(loose.cid, false)
    const running = node.fetch(kept.cid, { to: out('kept.out') })
    await new Promise<void>(resolve => running.on('progressed', ({ size }) => size > 0 && resolve()))

    // it has its room, whatever the limit is now; what may go goes
    const low = await node.setMaxStorage(1 * MB)
    expect(low).toMatchObject({ limit: MB, evictable: 0, problem: expect.stringContaining('no other fetch begins') })
    expect(low.used + low.reserved).toBe(1.2 * MB)
    expect(evicted).toMatchObject([{ cid: loose.cid, bytes: 0.2 * MB }])
    expect(existsSync(out('loose.out'))).toBe(false)
    expect(told).toMatchObject([{ limit: MB }, { message: low.problem }])
    expect((await node.status()).problems).toEqual([low.problem])
    expect(node.problems).toMatchObject([{ code: 'ERR_NO_SPACE' }])
    await expect(node.fetch(next.cid, { to: out('next.out') }).done).rejects.toMatchObject({ code: 'ERR_NO_SPACE' })
    await source.setLimits({ up: null })
    expect((await running.done).size).toBe(1.2 * MB)
    expect(readFileSync(out('kept.out')).equals(kept.bytes)).toBe(true)

    // raised just enough
    expect(await node.setMaxStorage(1.4 * MB)).toEqual({
      ...{ used: 1.2 * MB, reserved: 0, limit: 1.4 * MB, evictable: 0, problem: null }
    })
    expect((await node.status()).problems).toEqual([])
    await node.fetch(next.cid, { to: out('next.out') }).done
    expect(told).toHaveLength(3)
    expect(await node.setMaxStorage(null)).toMatchObject({ limit: null, problem: null })
    expect((await node.fetch(loose.cid, { to: out('loose.out') }).done).size).toBe(0.2 * MB)
  })

  it('is that of the process: the next start has its own', async () => {
    let node = await lab.start('node', { offline: true, maxStorage: 2 * MB })
    await node.setMaxStorage(5)
    expect((await node.status()).storage.limit).toBe(5)
    await node.stop()
    node = await lab.start('node', { offline: true, maxStorage: 2 * MB })
    expect((await node.status()).storage.limit).toBe(2 * MB)
  })

  it('that makes no sense is refused', async () => {
    const node = await lab.start('node', { offline: true, maxStorage: 7 })
    for (const maxStorage of [0, -1, 1.5, Number.NaN, 2 ** 60]) {
      await expect(createNode({ dataDir: out('x'), maxStorage })).rejects.toMatchObject({ code: 'ERR_BAD_NUMBER' })
      await expect(node.setMaxStorage(maxStorage)).rejects.toMatchObject({ code: 'ERR_BAD_NUMBER' })
    }
    await expect(node.setMaxStorage(undefined as unknown as null)).rejects.toMatchObject({ code: 'ERR_BAD_NUMBER' })
    await expect(node.setMaxStorage(9, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    expect((await node.status()).storage.limit).toBe(7)
  })
})

describe('the cache', () => {
  it('keeps for others what nobody wants in a place of their own, and gives it to those who do', async () => {
    const source = await lab.start('source')
    const { cid, bytes } = await shared(source, 'x', MB)
    const node = await lab.start('node', { peers: source.addrs })
    const { path } = await node.fetch(cid, { cache: true }).done
    expect(path).toBe(join(lab.dir, 'node', 'cache', cid))
    expect(await node.list()).toMatchObject([{ cid, path, pinned: false, state: 'seeding' }])
    expect(await node.fetch(cid, { cache: true }).done).toMatchObject({ path, fetched: 0, resumed: MB })
    await node.fetch(cid, { to: out('mine') }).done
    expect(readFileSync(out('mine')).equals(Buffer.from(bytes))).toBe(true)
    expect(await node.setPinned(cid, true)).toEqual({ cid, pinned: true })
    expect(await node.list()).toMatchObject([{ cid, path, pinned: true }])
  })

  it('is not needed for what is held already', async () => {
    const node = await lab.start('node')
    const { cid, path } = await shared(node, 'x', MB)
    expect(await node.fetch(cid, { cache: true }).done).toMatchObject({ path, fetched: 0 })
    expect(existsSync(join(lab.dir, 'node', 'cache'))).toBe(false)
    await expect(node.setPinned(cid, false)).rejects.toMatchObject({ code: 'ERR_USAGE' })
  })

  it('takes what was held elsewhere and is not any more, and leaves what its user made of that', async () => {
    const source = await lab.start('source')
    const [edited, begun] = [await shared(source, 'edited', MB), await shared(source, 'begun', 4 * MB)]
    const node = await lab.start('node', { peers: source.addrs })
    const mine = out('mine')
    await node.fetch(edited.cid, { to: mine }).done
    writeFileSync(mine, 'my own words')
    for (const { cid, bytes } of [edited, edited]) {
      const { path } = await node.fetch(cid, { cache: true, force: true }).done
      expect(path).toBe(join(lab.dir, 'node', 'cache', cid))
      expect(readFileSync(path).equals(Buffer.from(bytes))).toBe(true)
      expect(readFileSync(mine, 'utf8')).toBe('my own words')
    }
    expect(await node.list()).toMatchObject([{ cid: edited.cid, pinned: false }])

    await source.setLimits({ up: 500_000 })
    const first = node.fetch(begun.cid, { to: out('begun.out') })
    await new Promise<void>(resolve => first.on('progressed', ({ have }) => have > 0 && resolve()))
    first.cancel()
    await expect(first.done).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    writeFileSync(out('begun.out'), 'my own words')
    await source.setLimits({ up: null })
    const { path, resumed } = await node.fetch(begun.cid, { cache: true, force: true }).done
    expect(path).toBe(join(lab.dir, 'node', 'cache', begun.cid))
    expect(resumed).toBeGreaterThan(0)
    expect(readFileSync(out('begun.out'), 'utf8')).toBe('my own words')
  })

  it('names no option that it excludes where something is in the way', async () => {
    const node = await lab.start('node', { offline: true })
    const { cid } = await shared(await lab.start('source'), 'x', MB)
    mkdirSync(join(lab.dir, 'node', 'cache'))
    writeFileSync(join(lab.dir, 'node', 'cache', cid), 'in the way')
    await expect(node.fetch(cid, { cache: true }).done).rejects.toMatchObject({
      code: 'ERR_EXISTS',
      hint: 'replace it with --force'
    })
  })

  it('is not deleted under a reader', async () => {
    const source = await lab.start('source')
    const [read, next] = [await shared(source, 'read', 3 * MB), await shared(source, 'next', MB)]
    const node = await lab.start('node', { peers: source.addrs, maxStorage: 3.5 * MB })
    await collect(node.read(read.cid))
    const parts: Uint8Array[] = []
    for await (const part of node.read(read.cid)) {
      parts.push(part)
      if (parts.length > 1) continue
      await expect(node.fetch(next.cid, { to: out('n') }).done).rejects.toMatchObject({ code: 'ERR_NO_SPACE' })
    }
    expect(Buffer.concat(parts).equals(Buffer.from(read.bytes))).toBe(true)
    await node.fetch(next.cid, { to: out('n') }).done
    expect((await node.list()).map(({ cid }) => cid)).toEqual([next.cid])
  })
})

describe('gc', () => {
  it('leaves what bears no name of its own in the folders of the data folder', async () => {
    const node = await lab.start('node', { offline: true })
    const foreign = [
      ['cache', 'thesis.pdf'],
      ['cache', 'QmThesis'],
      ['hashed', 'passwords.txt'],
      ['hashed', `${'0'.repeat(32)}-notes`]
    ].map(parts => join(lab.dir, 'node', ...parts))
    for (const folder of ['cache', 'hashed']) mkdirSync(join(lab.dir, 'node', folder))
    for (const path of foreign) {
      writeFileSync(path, 'mine')
      utimesSync(path, 1, 1)
    }
    expect((await node.gc()).items).toEqual([])
    for (const path of foreign) expect(readFileSync(path, 'utf8')).toBe('mine')
  })

  it('deletes what the data folder has of nothing that is held, and says so first', async () => {
    const source = await lab.start('source')
    const [kept, removed] = [await shared(source, 'kept', MB), await shared(source, 'removed', MB)]
    const node = await lab.start('node', { peers: source.addrs })
    for (const { cid } of [kept, removed]) await node.fetch(cid, { cache: true }).done
    await node.remove(removed.cid)
    const orphan = join(lab.dir, 'node', 'cache', removed.cid)
    const journal = join(lab.dir, 'node', 'hashed', `${'0'.repeat(32)}-00000000-00000000`)
    mkdirSync(join(lab.dir, 'node', 'hashed'))
    writeFileSync(journal, '')
    utimesSync(journal, 1, 1)
    const items = [
      { kind: 'cache', path: orphan, size: MB, reason: null },
      { kind: 'journal', path: journal, size: 0, reason: null }
    ]
    const dry = await node.gc({ dryRun: true })
    expect(dry).toMatchObject({ dryRun: true, freed: 0, garbage: MB, kept: 0 })
    expect(dry.items).toEqual(items.map(item => ({ ...item, fate: 'garbage' })))
    expect(existsSync(orphan)).toBe(true)
    const real = await node.gc()
    expect(real.items).toEqual(items.map(item => ({ ...item, fate: 'deleted' })))
    expect(real.freed).toBeGreaterThanOrEqual(MB)
    expect([existsSync(orphan), existsSync(journal)]).toEqual([false, false])
    expect((await node.gc()).items).toEqual([])
    expect((await node.verify(kept.cid)).bad).toEqual([])
  })

  it('names what a removed fetch left on a drive that was away', async () => {
    const source = await lab.start('source', { up: 50_000 })
    const { cid } = await shared(source, 'x', 3 * MB)
    const node = await lab.start('node', { peers: source.addrs })
    mkdirSync(out('drive'))
    const fetching = node.fetch(cid, { to: out('drive/x') })
    await new Promise<void>(resolve => fetching.on('progressed', ({ size }) => size > 0 && resolve()))
    fetching.cancel()
    await expect(fetching.done).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    renameSync(out('drive'), out('away'))
    const { temp, left } = await node.remove(cid)
    expect([temp, left]).toEqual([expect.stringContaining('.shoal-'), true])
    renameSync(out('away'), out('drive'))
    const item = { kind: 'partial', path: temp, size: 3 * MB }
    expect((await node.gc()).items).toMatchObject([{ ...item, fate: 'kept' }])
    expect((await node.gc({ deletePartials: true })).items).toMatchObject([{ ...item, fate: 'deleted' }])
    rmSync(out('drive'), { recursive: true })
  })

  it('works without a network', async () => {
    const node = await lab.start('node', { offline: true, maxStorage: MB })
    expect(await node.gc()).toMatchObject({ dryRun: false, items: [] })
    expect((await node.status()).storage).toEqual({ used: 0, reserved: 0, limit: MB, evictable: 0 })
  })
})
