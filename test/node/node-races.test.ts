/** What goes wrong when calls overlap: each case once lost data, time or the truth. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { ShoalError } from '../../src/base/errors.ts'
import { ContentStore } from '../../src/content/store/content-store.ts'
import { StoredRoot } from '../../src/content/store/stored-root.ts'
import { createNode } from '../../src/index.ts'
import { LimitBook } from '../../src/node/limit-book.ts'
import { Network } from '../../src/node/network.ts'
import { SwarmHost } from '../../src/transfer/io/swarm-host.ts'
import { freePort } from '../helpers/free-port.ts'
import { keystream } from '../helpers/keystream.ts'
import { collect, eachWithLab, type NodeLab } from '../helpers/node-lab.ts'

const MIB = 1024 * 1024
let lab: NodeLab
eachWithLab(fresh => {
  lab = fresh
})

afterEach(() => {
  vi.restoreAllMocks()
})

describe('sharing while others fetch', () => {
  it('sharing the same path again keeps the leechers', async () => {
    const { path, bytes } = lab.file('x.bin', 12 * MIB)
    const a = await lab.start('a', { up: 6_000_000 })
    const b = await lab.start('b')
    const { link } = await a.share(path)
    const transfer = b.fetch(link, { to: join(lab.dir, 'copy'), timeoutMs: 20_000 })
    await new Promise<void>(resolve => {
      const off = transfer.on('progressed', ({ have }) => {
        if (have === 0) return
        off()
        resolve()
      })
    })
    await a.share(path)
    await transfer.done
    expect(readFileSync(join(lab.dir, 'copy')).equals(bytes)).toBe(true)
  })

  it('a removed root is neither served nor announced, whenever it is removed', async () => {
    const { path } = lab.file('x.bin', 2 * MIB)
    const hub = await lab.start('hub')
    const first = await lab.start('a')
    const { cid } = await first.share(path)
    await first.stop()
    const again = await lab.start('a', { peers: [...hub.addrs] })
    await again.remove(cid)
    expect(await again.list()).toEqual([])
    expect((await again.status()).dht.provided).toBe(0)
  })

  it('a root that is removed as soon as it is recorded is not announced after that', async () => {
    const { path } = lab.file('x.bin', 2 * MIB)
    const hub = await lab.start('hub')
    const node = await lab.start('a', { peers: [...hub.addrs] })
    const { setRoot } = LimitBook.prototype
    vi.spyOn(LimitBook.prototype, 'setRoot').mockImplementationOnce(async function (this: LimitBook, cid, limits) {
      await node.remove(cid)
      return await setRoot.call(this, cid, limits)
    })
    const announced = vi.spyOn(Network.prototype, 'announceSeeding')
    const { cid } = await node.share(path)
    expect(await node.list()).toEqual([])
    expect(announced).not.toHaveBeenCalled()
    await node.share(path)
    expect((await node.list()).map(root => root.cid)).toEqual([cid])
    expect(announced).toHaveBeenCalledOnce()
  })

  it.each(['shared', 'fetched'])(
    'a root that is %s again while it is removed is not announced after that',
    async how => {
      const { path } = lab.file('x.bin', MIB)
      const node = await lab.start('a')
      const { cid } = await node.share(path)
      const { withdraw } = Network.prototype
      vi.spyOn(Network.prototype, 'withdraw').mockImplementationOnce(async function (this: Network, root) {
        await withdraw.call(this, root)
        if (how === 'shared') await node.share(path)
        else await node.fetch(cid, { to: path }).done
      })
      await node.remove(cid)
      expect(await node.list()).toEqual([])
      expect((await node.status()).dht.provided).toBe(0)
    }
  )

  it('a root that is shared again as its removal ends keeps the limit that it was given', async () => {
    const { path } = lab.file('x.bin', MIB)
    const node = await lab.start('a')
    const { cid } = await node.share(path, { up: 1000 })
    const { withdraw } = Network.prototype
    const withdrawn = vi.spyOn(Network.prototype, 'withdraw')
    withdrawn.mockImplementationOnce(withdraw).mockImplementationOnce(async function (this: Network, root) {
      await withdraw.call(this, root)
      await node.share(path, { down: 2000 })
    })
    await node.remove(cid)
    expect(await node.list()).toMatchObject([{ cid, state: 'seeding', limits: { up: null, down: 2000 } }])
    await expect.poll(async () => (await node.status()).dht.provided).toBe(1)
  })

  it('what is shared as it is about to be deleted for room stays, and is announced', async () => {
    const { path } = lab.file('x.bin', MIB)
    const source = await lab.start('source')
    const node = await lab.start('a', { peers: [...source.addrs] })
    const { cid, link } = await source.share(path)
    const copy = await node.fetch(link, { to: join(lab.dir, 'copy') }).done
    await node.setPinned(cid, false)
    const { close } = SwarmHost.prototype
    vi.spyOn(SwarmHost.prototype, 'close').mockImplementationOnce(async function (this: SwarmHost, root) {
      await close.call(this, root)
      await node.share(copy.path)
    })
    await node.setMaxStorage(1)
    expect(await node.list()).toMatchObject([{ cid, state: 'seeding', pinned: true }])
    expect(existsSync(copy.path)).toBe(true)
    expect((await node.status()).dht.provided).toBe(1)
  })

  it('removing without the network takes back the announcement too', async () => {
    const { path } = lab.file('x.bin', MIB)
    const hub = await lab.start('hub')
    const first = await lab.start('a', { peers: [...hub.addrs] })
    const { cid } = await first.share(path)
    await first.announced(cid)
    await first.stop()
    const offline = await lab.start('a', { offline: true })
    await offline.remove(cid)
    await offline.stop()
    const again = await lab.start('a', { peers: [...hub.addrs] })
    expect((await again.status()).dht.provided).toBe(0)
  })

  it('what is lost on disk is no longer announced; what comes back is served again after a verify', async () => {
    const { path } = lab.file('x.bin', 3 * MIB)
    const a = await lab.start('a')
    const b = await lab.start('b')
    const { cid, link } = await a.share(path)
    renameSync(path, `${path}.away`)
    const changed = new Promise<string>(resolve => a.on('file:changed', ({ reason }) => resolve(reason)))
    await a.verify(cid)
    expect(await changed).toContain(path)
    await expect.poll(async () => (await a.status()).dht.provided).toBe(0)
    renameSync(`${path}.away`, path)
    expect((await a.verify(cid)).bad).toEqual([])
    await b.fetch(link, { to: join(lab.dir, 'copy'), timeoutMs: 20_000 }).done
  })

  it('a client that shares becomes a server and is found', async () => {
    const { path } = lab.file('x.bin', MIB)
    const hub = await lab.start('hub')
    const client = await lab.start('client', { dht: 'client', peers: [...hub.addrs] })
    const { cid } = await client.share(path)
    expect(await client.announced(cid)).toBe(1)
    expect((await client.status()).dht.mode).toBe('server')
  })

  it('a one-shot client announces nothing of what its data folder holds', async () => {
    const { path } = lab.file('x.bin', MIB)
    const first = await lab.start('a')
    await first.share(path)
    await first.stop()
    const client = await lab.start('a', { dht: 'client' })
    expect((await client.status()).dht).toMatchObject({ mode: 'client', provided: 0 })
  })
})

describe('a fetch whose files others touch', () => {
  it.each([
    ['x.bin', ''],
    ['tree', 'b.bin']
  ])('fetches again what was deleted right before its end (%s)', async (name, victim) => {
    mkdirSync(join(lab.dir, 'tree'))
    for (const file of ['a.bin', 'b.bin']) lab.file(`tree/${file}`, 3 * MIB)
    lab.file('x.bin', 3 * MIB)
    const a = await lab.start('a')
    const b = await lab.start('b')
    const { link } = await a.share(join(lab.dir, name))
    const { complete } = StoredRoot.prototype
    const end = vi.spyOn(StoredRoot.prototype, 'complete').mockImplementationOnce(async function (this: StoredRoot) {
      rmSync(join(this.temp ?? '', victim))
      return await complete.call(this)
    })
    const states: string[] = []
    const transfer = b.fetch(link, { to: join(lab.dir, 'copy'), timeoutMs: 20_000 })
    transfer.on('state:changed', ({ state }) => states.push(state))
    await transfer.done
    expect(end).toHaveBeenCalledTimes(2)
    expect(states.slice(states.indexOf('finishing'))).toEqual(['finishing', 'fetching', 'finishing', 'done'])
    const copied = readFileSync(join(lab.dir, 'copy', victim))
    expect(copied.equals(readFileSync(join(lab.dir, name, victim)))).toBe(true)
    expect((await b.verify(transfer.cid)).bad).toEqual([])
  })
})

describe('the end of a fetch', () => {
  const { complete } = StoredRoot.prototype
  async function deleting(this: StoredRoot) {
    rmSync(this.temp ?? '')
    return await complete.call(this)
  }
  const fails = async (): Promise<never> => {
    throw new ShoalError('ERR_NO_SPACE', 'full')
  }

  it('that a disk held up, then a deleted file, then the disk again', async () => {
    const { path, bytes } = lab.file('x.bin', 3 * MIB)
    const a = await lab.start('a')
    const b = await lab.start('b')
    const { link } = await a.share(path)
    vi.spyOn(StoredRoot.prototype, 'complete')
      .mockImplementationOnce(fails)
      .mockImplementationOnce(async function (this: StoredRoot) {
        vi.spyOn(StoredRoot.prototype, 'write').mockImplementationOnce(fails)
        return await deleting.call(this)
      })
    await b.fetch(link, { to: join(lab.dir, 'copy'), timeoutMs: 12_000 }).done
    expect(readFileSync(join(lab.dir, 'copy')).equals(bytes)).toBe(true)
  })

  it('that the disk never takes is given up with what the disk said, and the node goes on', async () => {
    const unhandled: unknown[] = []
    const note = (err: unknown) => unhandled.push(err)
    process.on('unhandledRejection', note)
    try {
      const { path } = lab.file('one.bin', 300_000)
      const [a, b] = [await lab.start('a'), await lab.start('b')]
      const { link } = await a.share(path)
      vi.spyOn(StoredRoot.prototype, 'complete').mockImplementation(fails)
      const fetch = b.fetch(link, { to: join(lab.dir, 'copy.bin'), timeoutMs: 8_000 })
      await expect(fetch.done).rejects.toMatchObject({ code: 'ERR_NO_SPACE' })
      // a rejection that nobody takes is told after the microtasks of its turn
      await new Promise(resolve => setImmediate(resolve))
      expect(unhandled).toEqual([])
      expect((await b.status()).roots).toHaveLength(1)
    } finally {
      process.off('unhandledRejection', note)
    }
  })

  it('looks for peers where nothing was missing at its beginning', async () => {
    const { path, bytes } = lab.file('x.bin', 3 * MIB)
    const a = await lab.start('a')
    const first = await lab.start('b')
    const { link } = await a.share(path)
    const options = { to: join(lab.dir, 'copy'), timeoutMs: 20_000 }
    const end = vi.spyOn(StoredRoot.prototype, 'complete')
    end.mockRejectedValueOnce(new ShoalError('ERR_EXISTS', 'in the way'))
    await expect(first.fetch(link, options).done).rejects.toMatchObject({ code: 'ERR_EXISTS' })
    await first.stop()
    const b = await lab.start('b')
    end.mockImplementationOnce(deleting)
    await b.fetch(link, options).done
    expect(readFileSync(join(lab.dir, 'copy')).equals(bytes)).toBe(true)
  })

  it('is not tried for ever where somebody keeps deleting its file', async () => {
    const { path } = lab.file('x.bin', MIB)
    const a = await lab.start('a')
    const b = await lab.start('b')
    const { link } = await a.share(path)
    const end = vi.spyOn(StoredRoot.prototype, 'complete').mockImplementation(deleting)
    const transfer = b.fetch(link, { to: join(lab.dir, 'copy'), timeoutMs: 12_000 })
    await expect(transfer.done).rejects.toMatchObject({
      code: 'ERR_FILE_CHANGED',
      message: expect.stringMatching(/copy\..*\.part was (deleted|replaced)$/),
      hint: 'run the same command again when nothing else touches it'
    })
    expect(end).toHaveBeenCalledTimes(4)
  })
})

describe('several at once', () => {
  it('two reads of one root do not take each other away', async () => {
    const { path, bytes } = lab.file('x.bin', 16 * MIB)
    const a = await lab.start('a', { up: 20_000_000 })
    const b = await lab.start('b')
    const { link } = await a.share(path)
    const options = { length: 4 * MIB, timeoutMs: 20_000 }
    const [head, tail] = await Promise.all([
      collect(b.read(link, { ...options, offset: 0 })),
      collect(b.read(link, { ...options, offset: 12 * MIB }))
    ])
    expect(head.equals(Buffer.from(bytes.subarray(0, 4 * MIB)))).toBe(true)
    expect(tail.equals(Buffer.from(bytes.subarray(12 * MIB)))).toBe(true)
  })

  it('a fetch that joins a reader gets everything', async () => {
    const { path, bytes } = lab.file('x.bin', 16 * MIB)
    const a = await lab.start('a', { up: 20_000_000 })
    const b = await lab.start('b')
    const { link, cid } = await a.share(path)
    const reader = b.read(link, { timeoutMs: 20_000 })[Symbol.asyncIterator]()
    await reader.next()
    const [root] = await b.list()
    const fetched = b.fetch(link, { to: root?.path ?? '', timeoutMs: 20_000 }).done
    expect((await fetched).size).toBe(bytes.byteLength)
    await reader.return?.(undefined)
    expect((await b.status({ cid })).roots).toMatchObject([{ state: 'seeding' }])
  })

  it('content that lies elsewhere on this disk is copied, however short the patience with peers', async () => {
    const { path, bytes } = lab.file('x.bin', 30 * MIB)
    const node = await lab.start('a')
    const { cid } = await node.share(path)
    const result = await node.fetch(cid, { to: join(lab.dir, 'copy'), timeoutMs: 1 }).done
    expect(result).toMatchObject({ fetched: 0, resumed: bytes.byteLength })
    expect(readFileSync(join(lab.dir, 'copy')).equals(bytes)).toBe(true)
  })

  it('a fetch to a second place does not harm the first', async () => {
    const { path, bytes } = lab.file('x.bin', 12 * MIB)
    const a = await lab.start('a', { up: 8_000_000 })
    const b = await lab.start('b')
    const { link } = await a.share(path)
    const first = b.fetch(link, { to: join(lab.dir, 'one'), timeoutMs: 20_000 })
    await new Promise<void>(resolve => {
      const off = first.on('progressed', ({ have }) => {
        if (have === 0) return
        off()
        resolve()
      })
    })
    writeFileSync(join(lab.dir, 'two'), bytes)
    await expect(b.fetch(link, { to: join(lab.dir, 'two') }).done).rejects.toMatchObject({ code: 'ERR_EXISTS' })
    await first.done
    expect(readFileSync(join(lab.dir, 'one')).equals(bytes)).toBe(true)
  })
})

describe('starting and stopping', () => {
  it('a stop during the start leaves nothing behind', async () => {
    const node = await lab.make('a')
    const starting = node.start()
    await node.stop()
    await expect(starting).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    await lab.start('a')
  })

  it('a stop that a full disk fails ends all the rest, and the node is stopped', async () => {
    const node = await createNode({ dataDir: join(lab.dir, 'a'), listen: ['/ip4/127.0.0.1/tcp/0'] })
    await node.start()
    const { stop } = Network.prototype
    const { close } = ContentStore.prototype
    vi.spyOn(Network.prototype, 'stop').mockImplementationOnce(async function (this: Network) {
      await stop.call(this)
      throw new Error('the network failed')
    })
    vi.spyOn(ContentStore.prototype, 'close').mockImplementationOnce(async function (this: ContentStore) {
      await close.call(this)
      throw new ShoalError('ERR_NO_SPACE', 'the disk is full')
    })
    await expect(node.stop()).rejects.toThrow('the network failed')
    await expect(node.list()).rejects.toMatchObject({ code: 'ERR_NOT_RUNNING' })
    await expect(node.setMaxStorage(1)).rejects.toMatchObject({ code: 'ERR_NOT_RUNNING' })
    // the data folder is free
    await lab.start('a')
  })

  it('a node is started once', async () => {
    const node = await lab.start('a')
    await expect(node.start()).rejects.toMatchObject({ code: 'ERR_USAGE' })
    await node.stop()
    await expect(node.start()).rejects.toMatchObject({ code: 'ERR_USAGE' })
  })

  it('a stop ends hashing and fetching, and waits for them', async () => {
    mkdirSync(join(lab.dir, 'folder'))
    for (let i = 0; i < 40; i++) writeFileSync(join(lab.dir, `folder/${i}`), keystream(MIB, String(i)))
    const node = await lab.start('a')
    const sharing = node.share(join(lab.dir, 'folder'))
    const transfer = node.fetch('bafkreiacndfy443ter6qr2tmbbdhadvxxheowwf75s6zehscklu6ezxmta', {
      to: join(lab.dir, 'out')
    })
    sharing.catch(() => {})
    await node.stop()
    await expect(sharing).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    await expect(transfer.done).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  })

  it('a seeder that restarts is found again within seconds', async () => {
    const { path, bytes } = lab.file('x.bin', 12 * MIB)
    const listen = [`/ip4/127.0.0.1/tcp/${await freePort()}`]
    const first = await lab.start('a', { up: 4_000_000, listen })
    const { link, cid } = await first.share(path)
    const b = await lab.start('b')
    const transfer = b.fetch(link, { to: join(lab.dir, 'copy'), timeoutMs: 20_000 })
    await new Promise<void>(resolve => {
      const off = transfer.on('progressed', ({ have }) => {
        if (have === 0) return
        off()
        resolve()
      })
    })
    await first.stop()
    await lab.start('a', { listen })
    await transfer.done
    expect(cid).toBe(transfer.cid)
    expect(readFileSync(join(lab.dir, 'copy')).equals(bytes)).toBe(true)
  })

  it('an unreachable peer of a link is named', async () => {
    const node = await lab.start('a')
    const gone = await lab.start('gone')
    const nowhere = '/ip4/127.0.0.1/tcp/1'
    const peer = `${nowhere}/p2p/${gone.peerId}`
    await gone.stop()
    const link = `shoal:bafkreiacndfy443ter6qr2tmbbdhadvxxheowwf75s6zehscklu6ezxmta?name=x&peer=${peer}`
    await expect(node.fetch(link, { to: join(lab.dir, 'x'), timeoutMs: 8_000 }).done).rejects.toMatchObject({
      message: expect.stringContaining(nowhere)
    })
  })
})
