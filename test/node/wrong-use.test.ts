/** What a program that embeds a node does wrong: each mistake has a code of its own, and none does something else. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createNode, type NodeOptions, parseSource } from '../../src/index.ts'
import { collect, eachWithLab, type NodeLab } from '../helpers/node-lab.ts'

const NOBODY_HAS = 'bafkreiacndfy443ter6qr2tmbbdhadvxxheowwf75s6zehscklu6ezxmta'

let lab: NodeLab
eachWithLab(fresh => {
  lab = fresh
})

/** What TypeScript would not let through. */
const wrong = <T>(value: unknown) => value as T

describe('createNode', () => {
  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['no data folder', {}],
    ['an empty one, which would be the working folder', { dataDir: '' }],
    ['one that is a number', { dataDir: 5 }],
    ['one with a NUL', { dataDir: 'a\0b' }],
    ['one peer, not a list', { dataDir: '/never/made', peers: '/ip4/127.0.0.1/tcp/1' }],
    ['peers that are numbers', { dataDir: '/never/made', peers: [5] }],
    ['one address, not a list', { dataDir: '/never/made', listen: '/ip4/127.0.0.1/tcp/1' }],
    ['one encryption, not a list', { dataDir: '/never/made', encryption: 'tls' }],
    ['another mode of the DHT', { dataDir: '/never/made', dht: 'off' }]
  ])('refuses %s', async (_what, options) => {
    await expect(createNode(wrong<NodeOptions>(options))).rejects.toMatchObject({ code: 'ERR_USAGE' })
  })
})

describe('a node', () => {
  it('shares no working folder for an empty path', async () => {
    const node = await lab.start('a', { offline: true })
    for (const path of ['', undefined, 'a\0b']) {
      await expect(node.share(wrong<string>(path))).rejects.toMatchObject({ code: 'ERR_USAGE' })
    }
    expect(await node.list()).toEqual([])
  })

  it('takes no time that is none for one that has run out', async () => {
    const node = await lab.start('a')
    const to = join(lab.dir, 'x')
    for (const timeoutMs of [Number.NaN, 0, -1, wrong<number>('5')]) {
      expect(() => node.fetch(NOBODY_HAS, { to, timeoutMs })).toThrow(
        expect.objectContaining({ code: 'ERR_BAD_NUMBER' })
      )
      await expect(collect(node.read(NOBODY_HAS, { timeoutMs }))).rejects.toMatchObject({ code: 'ERR_BAD_NUMBER' })
    }
  })

  it('fetches to one place', async () => {
    const node = await lab.start('a')
    const usage = expect.objectContaining({ code: 'ERR_USAGE' })
    expect(() => node.fetch(NOBODY_HAS, { to: join(lab.dir, 'x'), cache: true })).toThrow(usage)
    expect(() => node.fetch(NOBODY_HAS, { to: '' })).toThrow(usage)
  })

  it('lets nothing go that it was not told to', async () => {
    const a = await lab.start('a')
    const b = await lab.start('b')
    writeFileSync(join(lab.dir, 'x.txt'), 'x')
    const { link, cid } = await a.share(join(lab.dir, 'x.txt'))
    await b.fetch(link, { to: join(lab.dir, 'y.txt') }).done
    for (const pinned of [undefined, 'no', 0]) {
      await expect(b.setPinned(cid, wrong<boolean>(pinned))).rejects.toMatchObject({ code: 'ERR_USAGE' })
    }
    expect(await b.list()).toMatchObject([{ pinned: true }])
  })

  it('is told of a CID that is none', async () => {
    const node = await lab.start('a')
    const notOne = wrong<string>(undefined)
    const code = { code: 'ERR_BAD_CID' }
    expect(() => parseSource(notOne)).toThrow(expect.objectContaining(code))
    await expect(node.remove(notOne)).rejects.toMatchObject(code)
    await expect(node.verify(notOne)).rejects.toMatchObject(code)
    await expect(collect(node.read(notOne))).rejects.toMatchObject(code)
  })

  it('that was stopped says so, whatever is asked', async () => {
    const node = await lab.start('a')
    writeFileSync(join(lab.dir, 'x.txt'), 'x')
    const { cid } = await node.share(join(lab.dir, 'x.txt'))
    await node.stop()
    const asked: Array<() => Promise<unknown>> = [
      () => node.share(join(lab.dir, 'x.txt')),
      () => node.announced(cid),
      () => node.fetch(cid, { to: join(lab.dir, 'y') }).done,
      () => node.list(),
      () => node.remove(cid),
      () => node.setPinned(cid, true),
      () => node.gc(),
      () => node.status(),
      () => node.peers(),
      () => node.limits(),
      () => node.setLimits({ up: 5 }),
      () => node.setLimits({ cid, up: 5 }),
      () => node.setMaxStorage(5),
      () => node.verify(cid),
      () => node.connect('/ip4/127.0.0.1/tcp/1'),
      () => collect(node.read(cid))
    ]
    for (const ask of asked) {
      await expect(ask()).rejects.toMatchObject({ code: 'ERR_NOT_RUNNING', message: 'the node was stopped' })
    }
  })
})
