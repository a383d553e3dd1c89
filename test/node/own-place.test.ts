/** Fetches into the node's data folder: its own files have their names there. */
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { eachWithLab, type NodeLab } from '../helpers/node-lab.ts'

let lab: NodeLab
eachWithLab(fresh => {
  lab = fresh
})

test('nothing is fetched to where the node has its own files, by whatever path', async () => {
  const source = await lab.start('source')
  const { path, bytes } = lab.file('peers.json', 1000)
  const { cid, link } = await source.share(path)
  const node = await lab.start('node', { peers: source.addrs })
  const own = join(lab.dir, 'node')
  symlinkSync(own, join(lab.dir, 'link'))
  mkdirSync(join(own, 'downloads'))
  mkdirSync(join(own, 'cache'), { recursive: true })
  const before = readdirSync(own).sort()
  for (const to of ['node', 'node/peers.json', 'node/new', 'node/cache/x', 'node/cache', 'node/store/x', 'link/new']) {
    for (const force of [false, true]) {
      await expect(node.fetch(link, { to: join(lab.dir, to), force }).done).rejects.toMatchObject({
        code: 'ERR_USAGE',
        message: expect.stringContaining("in this node's data folder")
      })
    }
  }
  expect(readdirSync(own).sort()).toEqual(before)
  // what has a folder of its own there is in nobody's way
  const kept = await node.fetch(link, { to: join(own, 'downloads') }).done
  expect(readFileSync(kept.path).equals(bytes)).toBe(true)
  await node.remove(cid)
  // what is cached is its own destination
  const cached = await node.fetch(cid, { cache: true }).done
  expect(await node.fetch(cid, { to: cached.path }).done).toMatchObject({ fetched: 0, path: cached.path })
  expect(existsSync(cached.path)).toBe(true)
})
