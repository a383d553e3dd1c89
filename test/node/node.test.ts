import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createNode, type TransferSnapshot } from '../../src/index.ts'
import { keystream } from '../helpers/keystream.ts'
import { collect, eachWithLab, type NodeLab } from '../helpers/node-lab.ts'

let lab: NodeLab
eachWithLab(fresh => {
  lab = fresh
})

describe('createNode', () => {
  it('shares in one node and fetches in another of the same process', async () => {
    const { path, bytes } = lab.file('film.mkv', 6_000_000)
    const a = await lab.start('a')
    const b = await lab.start('b')
    const shared = await a.share(path)
    expect(shared).toMatchObject({ path, size: 6_000_000, pieces: 6, files: 1, skipped: [] })
    const transfer = b.fetch(shared.link, { to: join(lab.dir, 'copy.mkv') })
    const states: string[] = []
    transfer.on('state:changed', ({ state }: TransferSnapshot) => states.push(state))
    const result = await transfer.done
    expect(result).toMatchObject({
      cid: shared.cid,
      path: join(lab.dir, 'copy.mkv'),
      fetched: 6_000_000,
      resumed: 0,
      peers: 1
    })
    expect(readFileSync(join(lab.dir, 'copy.mkv')).equals(bytes)).toBe(true)
    expect(states.at(-1)).toBe('done')
    expect(transfer.snapshot()).toMatchObject({ state: 'done', have: 6_000_000, size: 6_000_000, piecesHave: 6 })
    expect(await b.list()).toMatchObject([{ cid: shared.cid, state: 'seeding', have: 6_000_000 }])
    const status = await a.status()
    expect(status).toMatchObject({ mode: 'embedded', sentBytes: 6_000_000, connections: 1 })
    expect(await a.peers()).toMatchObject([{ peerId: b.peerId, direction: 'inbound' }])
  })

  it('never shares its own data folder', async () => {
    const { dir } = lab
    writeFileSync(join(dir, 'a.txt'), 'a')
    const a = await lab.start('a', { offline: true })
    const { skipped, files } = await a.share(dir)
    expect({ skipped, files }).toEqual({ files: 1, skipped: [{ path: 'a', reason: "this node's data folder" }] })
    await expect(a.share(join(dir, 'a'))).rejects.toMatchObject({ code: 'ERR_USAGE' })
  })

  it('reads a byte range, fetching only what it needs', async () => {
    const { path, bytes } = lab.file('disk.img', 20 * 1024 * 1024)
    const a = await lab.start('a')
    const b = await lab.start('b')
    const { link } = await a.share(path)
    const from = 10_000_000
    const range = await collect(b.read(link, { offset: from, length: 3_000_000 }))
    expect(range.equals(Buffer.from(bytes.subarray(from, from + 3_000_000)))).toBe(true)
    const [root] = await b.list()
    expect(root?.piecesHave).toBeLessThan(8)
    // and all of it, from the same cache
    expect((await collect(b.read(link))).equals(bytes)).toBe(true)
    expect((await collect(a.read(link, { offset: bytes.length - 5 }))).equals(Buffer.from(bytes.subarray(-5)))).toBe(
      true
    )
  })

  it('reads one file of a folder, and frees everything when the loop is left', async () => {
    mkdirSync(join(lab.dir, 'folder/sub'), { recursive: true })
    writeFileSync(join(lab.dir, 'folder/a.txt'), 'first')
    writeFileSync(join(lab.dir, 'folder/sub/b.bin'), keystream(5_000_000, 'b'))
    const a = await lab.start('a')
    const b = await lab.start('b')
    const { link } = await a.share(join(lab.dir, 'folder'))
    expect((await collect(b.read(link, { path: 'a.txt' }))).toString()).toBe('first')
    for await (const chunk of b.read(link, { path: 'sub/b.bin' })) {
      expect(chunk.byteLength).toBeGreaterThan(0)
      break
    }
    await expect(collect(b.read(link, { path: 'absent' }))).rejects.toMatchObject({ code: 'ERR_PATH_NOT_FOUND' })
    await expect(collect(b.read(link))).rejects.toMatchObject({ code: 'ERR_PATH_NOT_FOUND' })
  })

  it('cancels a fetch, keeps what it has, and continues', async () => {
    const { path, bytes } = lab.file('big.bin', 24 * 1024 * 1024)
    const a = await lab.start('a', { up: 8_000_000 })
    const b = await lab.start('b')
    const { link } = await a.share(path)
    const to = join(lab.dir, 'copy.bin')
    const first = b.fetch(link, { to })
    await new Promise<void>(resolve => {
      const off = first.on('progressed', ({ have }) => {
        if (have < 3_000_000) return
        off()
        resolve()
      })
    })
    first.cancel()
    await expect(first.done).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    const second = await b.fetch(link, { to }).done
    expect(second.resumed).toBeGreaterThanOrEqual(3_000_000)
    expect(second.resumed + second.fetched).toBe(bytes.length)
    expect(readFileSync(to).equals(bytes)).toBe(true)
  })

  it('that is removed ends, and that is no interruption', async () => {
    const a = await lab.start('a', { up: 500_000 })
    const { cid, link } = await a.share(lab.file('big.bin', 4 * 1024 * 1024).path)
    const b = await lab.start('b')
    const fetch = b.fetch(link, { to: join(lab.dir, 'copy.bin') })
    const failed = expect(fetch.done).rejects.toMatchObject({
      code: 'ERR_UNKNOWN_ROOT',
      message: 'the content was removed while it was fetched'
    })
    await new Promise<void>(resolve => fetch.on('progressed', ({ have }) => have > 0 && resolve()))
    await b.remove(cid)
    await failed
    expect(await b.list()).toEqual([])
  })

  it('that is removed is gone before a node that stops is stopped', async () => {
    const a = await lab.start('a', { up: 500_000 })
    const { cid, link } = await a.share(lab.file('big.bin', 4 * 1024 * 1024).path)
    const b = await lab.start('b')
    const fetch = b.fetch(link, { to: join(lab.dir, 'copy.bin') })
    const ended = fetch.done.catch(() => {})
    await new Promise<void>(resolve => fetch.on('progressed', ({ have }) => have > 0 && resolve()))
    let isRemoved = false
    const removing = b.remove(cid).then(() => {
      isRemoved = true
    })
    await ended
    await b.stop()
    expect(isRemoved).toBe(true)
    await removing
    expect(await (await lab.start('b', { offline: true })).list()).toEqual([])
  })

  it('obeys a signal everywhere', async () => {
    const { path } = lab.file('x.bin', 1_000_000)
    const node = await lab.start('a')
    const signal = AbortSignal.abort()
    await expect(node.share(path, { signal })).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    const { cid } = await node.share(path)
    await expect(node.announced(cid, { signal })).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    await expect(node.fetch(cid, { to: join(lab.dir, 'y'), signal }).done).rejects.toMatchObject({
      code: 'ERR_ABORTED'
    })
    await expect(collect(node.read(cid, { signal }))).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    await expect(node.verify(cid, { signal })).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  })

  it('announces to the network and tells when', async () => {
    const { path } = lab.file('x.bin', 1_000_000)
    const hub = await lab.start('hub')
    const node = await lab.start('a', { peers: [...hub.addrs] })
    const announced = new Promise<number>(resolve => node.on('root:announced', ({ nodes }) => resolve(nodes)))
    const { cid } = await node.share(path)
    expect(await announced).toBe(1)
    expect(await node.announced(cid)).toBe(1)
    const late = await lab.start('late', { peers: [...hub.addrs] })
    const result = await late.fetch(cid, { to: join(lab.dir, 'copy') }).done
    expect(result.peers).toBe(1)
  })

  it('removes a root and leaves the file alone', async () => {
    const { path, bytes } = lab.file('x.bin', 1_000_000)
    const node = await lab.start('a')
    const { cid } = await node.share(path)
    expect(await node.remove(cid)).toEqual({ cid, path, temp: null, left: false })
    expect(await node.list()).toEqual([])
    expect(readFileSync(path).equals(bytes)).toBe(true)
    await expect(node.remove(cid)).rejects.toMatchObject({ code: 'ERR_UNKNOWN_ROOT' })
  })

  it('works offline for what needs no network', async () => {
    const { path } = lab.file('x.bin', 2_500_000)
    const node = await lab.start('a', { offline: true })
    const { cid } = await node.share(path)
    expect(await node.verify(cid)).toEqual({ cid, pieces: 3, bad: [], wrong: [] })
    expect(await node.list()).toMatchObject([{ cid, have: 2_500_000 }])
    await expect(
      node.fetch('bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku', { to: join(lab.dir, 'y') }).done
    ).rejects.toMatchObject({ code: 'ERR_NOT_RUNNING' })
  })

  it('fetches the empty file and an empty folder', async () => {
    writeFileSync(join(lab.dir, 'empty'), '')
    mkdirSync(join(lab.dir, 'nothing'))
    const a = await lab.start('a')
    const b = await lab.start('b')
    for (const name of ['empty', 'nothing']) {
      const { link } = await a.share(join(lab.dir, name))
      const { path } = await b.fetch(link, { to: join(lab.dir, `copy of ${name}`) }).done
      expect(path).toBe(join(lab.dir, `copy of ${name}`))
    }
    expect(readFileSync(join(lab.dir, 'copy of empty')).length).toBe(0)
  })

  it('refuses two nodes on one data folder, and starts again after a stop', async () => {
    const first = await lab.start('a')
    const second = await createNode({ dataDir: join(lab.dir, 'a'), offline: true })
    await expect(second.start()).rejects.toMatchObject({ code: 'ERR_LOCKED' })
    await first.stop()
    await lab.start('a')
  })
})
