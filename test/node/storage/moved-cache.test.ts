/** Cached content whose data folder is reached by another path, was moved, or was copied. */
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { ShoalNode } from '../../../src/index.ts'
import { followMovedCache } from '../../../src/node/storage/moved-cache.ts'
import { collect, eachWithLab, type NodeLab } from '../../helpers/node-lab.ts'
import { cidOf } from '../../helpers/storage-world.ts'

const MB = 1_000_000
let lab: NodeLab
eachWithLab(fresh => {
  lab = fresh
})

/** Two roots in the cache of a data folder that no node uses any more: one pinned, one not. */
async function cached() {
  const source = await lab.start('source')
  const roots: Array<{ cid: string; bytes: Uint8Array; pinned: boolean }> = []
  for (const pinned of [true, false]) {
    const { path, bytes } = lab.file(`pinned ${pinned}`, MB)
    roots.push({ cid: (await source.share(path)).cid, bytes, pinned })
  }
  const node = await lab.start('node', { peers: source.addrs })
  for (const { cid, pinned } of roots) {
    await node.fetch(cid, { cache: true }).done
    await node.setPinned(cid, pinned)
  }
  await node.stop()
  return { source, roots }
}

async function expectHeld(node: ShoalNode, roots: Awaited<ReturnType<typeof cached>>['roots'], dataDir: string) {
  expect((await node.gc()).items).toEqual([])
  for (const { cid, bytes, pinned } of roots) {
    expect(readFileSync(join(lab.dir, dataDir, 'cache', cid)).equals(bytes)).toBe(true)
    expect((await node.list()).find(root => root.cid === cid)).toMatchObject({ pinned, have: MB })
    expect((await node.verify(cid)).bad).toEqual([])
    expect((await collect(node.read(cid))).equals(Buffer.from(bytes))).toBe(true)
    expect(await node.fetch(cid, { cache: true }).done).toMatchObject({ fetched: 0, resumed: MB })
  }
}

it('cached content that is held elsewhere from then on goes with gc', async () => {
  const { roots } = await cached()
  const node = await lab.start('node', { offline: true })
  const [first, second] = roots
  const own = join(lab.dir, 'own')
  writeFileSync(own, first?.bytes ?? '')
  expect((await node.share(own)).cid).toBe(first?.cid)
  const orphan = join(lab.dir, 'node/cache', first?.cid ?? '')
  expect((await node.gc()).items).toEqual([{ kind: 'cache', path: orphan, size: MB, fate: 'deleted', reason: null }])
  expect(existsSync(orphan)).toBe(false)
  expect(existsSync(join(lab.dir, 'node/cache', second?.cid ?? ''))).toBe(true)
  expect((await node.verify(first?.cid ?? '')).bad).toEqual([])
})

it('cached content stays where what is held elsewhere is not whole any more, noticed or not', async () => {
  const tree = join(lab.dir, 'tree')
  mkdirSync(join(tree, 'hollow'), { recursive: true })
  for (const name of ['a', 'b']) writeFileSync(join(tree, name), Buffer.alloc(MB, name))
  const source = await lab.start('source')
  const { cid } = await source.share(tree)
  const node = await lab.start('node', { peers: source.addrs })
  const { path } = await node.fetch(cid, { cache: true }).done
  const own = join(lab.dir, 'own')
  cpSync(tree, own, { recursive: true })
  expect((await node.share(own)).cid).toBe(cid)
  const changes = [
    [() => rmSync(join(own, 'a')), () => cpSync(join(tree, 'a'), join(own, 'a'))],
    [() => writeFileSync(join(own, 'b'), Buffer.alloc(MB)), () => cpSync(join(tree, 'b'), join(own, 'b'))],
    [() => rmSync(join(own, 'hollow'), { recursive: true }), () => mkdirSync(join(own, 'hollow'))]
  ] as const
  for (const [change, undo] of changes) {
    change()
    expect((await node.gc()).items).toEqual([])
    expect(readFileSync(join(path, 'a')).equals(Buffer.alloc(MB, 'a'))).toBe(true)
    undo()
    expect(await node.verify(cid)).toMatchObject({ bad: [], wrong: [] })
  }
  expect((await node.gc()).items).toMatchObject([{ kind: 'cache', path, size: 2 * MB, fate: 'deleted' }])
})

describe('cached content is held', () => {
  it('by a node that reaches the data folder through a symbolic link, and by one that does not again', async () => {
    const { roots } = await cached()
    symlinkSync(join(lab.dir, 'node'), join(lab.dir, 'link'))
    const linked = await lab.start('link', { offline: true })
    await expectHeld(linked, roots, 'node')
    await linked.stop()
    await expectHeld(await lab.start('node', { offline: true }), roots, 'node')
  })

  it('where it was fetched through a symbolic link that is gone', async () => {
    mkdirSync(join(lab.dir, 'real'))
    symlinkSync(join(lab.dir, 'real'), join(lab.dir, 'node'))
    const { roots } = await cached()
    rmSync(join(lab.dir, 'node'))
    await expectHeld(await lab.start('real', { offline: true }), roots, 'real')
  })

  it('in a data folder that was moved, and nothing is made where that was', async () => {
    const { roots } = await cached()
    renameSync(join(lab.dir, 'node'), join(lab.dir, 'moved'))
    const node = await lab.start('moved', { offline: true })
    await expectHeld(node, roots, 'moved')
    expect(existsSync(join(lab.dir, 'node'))).toBe(false)
    expect((await node.list()).map(({ path }) => path)).toEqual(
      roots.map(({ cid }) => join(lab.dir, 'moved', 'cache', cid))
    )
  })

  it('in a copy of a data folder by itself', async () => {
    const { roots } = await cached()
    cpSync(join(lab.dir, 'node'), join(lab.dir, 'copy'), { recursive: true })
    const node = await lab.start('copy', { offline: true })
    await expectHeld(node, roots, 'copy')
    await node.stop()
    rmSync(join(lab.dir, 'copy'), { recursive: true })
    await expectHeld(await lab.start('node', { offline: true }), roots, 'node')
  })

  it('that was fetched in part goes on in the moved folder', async () => {
    const source = await lab.start('source', { up: 500_000 })
    const { path, bytes } = lab.file('large', 4 * MB)
    const { cid } = await source.share(path)
    const node = await lab.start('node', { peers: source.addrs })
    const first = node.fetch(cid, { cache: true })
    await new Promise<void>(resolve => first.on('progressed', ({ have }) => have > 0 && resolve()))
    first.cancel()
    await expect(first.done).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    await node.stop()
    await source.setLimits({ up: null })
    renameSync(join(lab.dir, 'node'), join(lab.dir, 'moved'))
    const moved = await lab.start('moved', { peers: source.addrs })
    const done = await moved.fetch(cid, { cache: true }).done
    expect(done.path).toBe(join(lab.dir, 'moved', 'cache', cid))
    expect(done.resumed).toBeGreaterThan(0)
    expect(readFileSync(done.path).equals(bytes)).toBe(true)
    expect(existsSync(join(lab.dir, 'node'))).toBe(false)
  })
})

describe('a recorded path', () => {
  const cid = cidOf(1)
  const at = (...parts: string[]) => join(lab.dir, ...parts, 'cache', cid.toString())
  const follow = async (change: object) => {
    const root = { cid, path: at('elsewhere'), temp: null, source: 'get' as const, isLoaded: false, ...change }
    const changes: unknown[] = []
    await followMovedCache(join(lab.dir, 'node'), [{ ...root, update: async to => void changes.push(to) }])
    return changes
  }
  const place = (path: string) => {
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, '')
  }

  it('is followed only where the content is, and where it is not what the user chose', async () => {
    expect(await follow({})).toEqual([])
    place(at('node'))
    expect(await follow({})).toEqual([{ path: at('node'), temp: null }])
    expect(await follow({ source: 'share' })).toEqual([])
    expect(await follow({ path: join(lab.dir, 'elsewhere', cid.toString()) })).toEqual([])
    expect(await follow({ path: join(lab.dir, 'elsewhere', 'cache', 'film') })).toEqual([])
    place(at('elsewhere'))
    expect(await follow({})).toEqual([])
    mkdirSync(join(lab.dir, 'elsewhere', 'store'))
    expect(await follow({})).toEqual([{ path: at('node'), temp: null }])
  })
})
