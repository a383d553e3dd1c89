/** Limits of nodes of this process, over loopback. A rate is only ever asserted from above: the machine may be slow. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createNode, type NodeEvents } from '../../src/index.ts'
import { eachWithLab, type NodeLab } from '../helpers/node-lab.ts'

const ABSENT = 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'
const NONE = { up: null, down: null }
/** The machine may be slow. */
const PATIENT = { timeout: 30_000, interval: 20 }
let lab: NodeLab
eachWithLab(fresh => {
  lab = fresh
})

/** What a limit lets pass in that time at most: with 3 % of tolerance, its burst, and one request that was let go. */
const atMost = (rate: number, ms: number, requestBytes = 0) => (rate * ms * 1.03) / 1000 + rate / 4 + requestBytes

describe('limits', () => {
  it('are told and changed, of the node and of each root', async () => {
    const { path } = lab.file('x.bin', 100_000)
    const node = await lab.start('a', { up: 5_000_000 })
    const events: Array<NodeEvents['limits:changed']> = []
    node.on('limits:changed', event => events.push(event))
    const { cid, link } = await node.share(path)
    expect(await node.limits()).toEqual({ up: 5_000_000, down: null, roots: [] })
    expect(await node.setLimits({ down: 2_000_000 })).toEqual({ up: 5_000_000, down: 2_000_000 })
    expect(await node.setLimits({ up: null })).toEqual({ up: null, down: 2_000_000 })
    expect(await node.setLimits({ cid: link, up: 1000 })).toEqual({ up: 1000, down: null })
    expect(await node.setLimits({ cid })).toEqual({ up: 1000, down: null })
    expect(await node.limits()).toEqual({ up: null, down: 2_000_000, roots: [{ cid, up: 1000, down: null }] })
    expect(await node.status()).toMatchObject({
      limits: { up: null, down: 2_000_000 },
      roots: [{ cid, limits: { up: 1000, down: null } }]
    })
    expect(await node.setLimits({ cid, up: null })).toEqual(NONE)
    expect((await node.limits()).roots).toEqual([])
    expect(events).toEqual([
      { cid: null, up: 5_000_000, down: 2_000_000 },
      { cid: null, up: null, down: 2_000_000 },
      { cid, up: 1000, down: null },
      { cid, ...NONE }
    ])
  })

  it('that make no sense are refused, and so is a root that is not there', async () => {
    const node = await lab.start('a')
    const { path } = lab.file('x.bin', 1000)
    for (const up of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60]) {
      await expect(node.setLimits({ up })).rejects.toMatchObject({ code: 'ERR_BAD_NUMBER' })
      await expect(node.share(path, { up })).rejects.toMatchObject({ code: 'ERR_BAD_NUMBER' })
      expect(() => node.fetch(ABSENT, { up })).toThrow(expect.objectContaining({ code: 'ERR_BAD_NUMBER' }))
      await expect(createNode({ dataDir: join(lab.dir, 'b'), up })).rejects.toMatchObject({ code: 'ERR_BAD_NUMBER' })
    }
    await expect(node.setLimits({ cid: ABSENT, up: 1 })).rejects.toMatchObject({ code: 'ERR_UNKNOWN_ROOT' })
    await expect(node.setLimits({ cid: 'nonsense' })).rejects.toMatchObject({ code: 'ERR_BAD_CID' })
    expect(await node.list()).toEqual([])
  })

  it('of a root outlive the process and end with the root; those of the node do neither', async () => {
    const { path } = lab.file('x.bin', 100_000)
    const first = await lab.start('a')
    const { cid } = await first.share(path, { up: 12_345 })
    await first.setLimits({ up: 99, down: 99 })
    await first.stop()
    const offline = await lab.start('a', { offline: true })
    expect(await offline.limits()).toEqual({ ...NONE, roots: [{ cid, up: 12_345, down: null }] })
    expect(await offline.setLimits({ cid, down: 7 })).toEqual({ up: 12_345, down: 7 })
    await offline.stop()
    const second = await lab.start('a')
    expect(await second.limits()).toEqual({ ...NONE, roots: [{ cid, up: 12_345, down: 7 }] })
    await second.remove(cid)
    expect((await second.limits()).roots).toEqual([])
    await second.share(path)
    expect((await second.limits()).roots).toEqual([])
    await second.stop()
    expect((await (await lab.start('a')).limits()).roots).toEqual([])
  })

  it('of a fetch hold from its first byte, before it has a manifest, and go where nothing came of it', async () => {
    const node = await lab.start('a')
    const transfer = node.fetch(ABSENT, { to: join(lab.dir, 'out'), up: 5000, down: 5000 })
    await expect.poll(async () => (await node.limits()).roots, PATIENT).toEqual([{ cid: ABSENT, up: 5000, down: 5000 }])
    expect(await node.setLimits({ cid: ABSENT, up: null })).toEqual({ up: null, down: 5000 })
    transfer.cancel()
    await expect(transfer.done).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    await expect.poll(async () => (await node.limits()).roots, PATIENT).toEqual([])
  })

  it('take effect while a transfer runs: up, of one root and of the node', async () => {
    const { path, bytes } = lab.file('x.bin', 3_000_000)
    const a = await lab.start('a')
    const b = await lab.start('b')
    const rate = 400_000
    const { cid, link } = await a.share(path, { up: rate })
    const to = join(lab.dir, 'copy')
    const transfer = b.fetch(link, { to })
    const sent = async () => (await a.status()).sentBytes
    await expect.poll(sent, PATIENT).toBeGreaterThan(rate / 2)
    const began = performance.now()
    const before = await sent()
    await new Promise(resolve => setTimeout(resolve, 500))
    expect((await sent()) - before).toBeLessThanOrEqual(atMost(rate, performance.now() - began))
    // the lower of both holds
    await a.setLimits({ up: 100_000 })
    await a.setLimits({ cid, up: null })
    const lowered = performance.now()
    const then = await sent()
    await new Promise(resolve => setTimeout(resolve, 500))
    expect((await sent()) - then).toBeLessThanOrEqual(atMost(100_000, performance.now() - lowered))
    await a.setLimits({ up: null })
    await transfer.done
    expect(readFileSync(to).equals(bytes)).toBe(true)
  })

  it('take effect while a transfer runs: down, and a slow fetch is no stall', async () => {
    const { path, bytes } = lab.file('x.bin', 2_000_000)
    const a = await lab.start('a')
    const b = await lab.start('b')
    const { cid, link } = await a.share(path)
    const to = join(lab.dir, 'copy')
    const began = performance.now()
    // the second request of 256 KiB may go after 26 seconds
    const transfer = b.fetch(link, { to, down: 10_000, timeoutMs: 10_000 })
    await expect.poll(async () => (await b.status()).receivedBytes, PATIENT).toBeGreaterThan(0)
    await new Promise(resolve => setTimeout(resolve, 11_000))
    const { receivedBytes } = await b.status()
    expect(receivedBytes).toBeLessThanOrEqual(atMost(10_000, performance.now() - began, 262_144))
    expect(transfer.snapshot().state).toBe('fetching')
    await b.setLimits({ cid, down: null })
    await transfer.done
    expect(readFileSync(to).equals(bytes)).toBe(true)
  })
})
