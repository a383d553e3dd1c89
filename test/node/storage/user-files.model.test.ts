/**
 * A node and its user at the same files, in any order, against what must always be true: the user's files change only
 * where a get was told to, what is served is right, what was whole stays, and what is pinned is not deleted for room.
 */
import {
  appendFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { ShoalError } from '../../../src/base/errors.ts'
import { seededRandom } from '../../../src/base/random.ts'
import type { NodeEvents, ShoalNode } from '../../../src/index.ts'
import { keystream } from '../../helpers/keystream.ts'
import { collect, eachWithLab, type NodeLab } from '../../helpers/node-lab.ts'

const STEPS = 45
const PLACES = ['1', '2', 'sub/1']
const LIMITS = [null, 100_000, 2_500_000]
const EXPECTED = [
  'ERR_EXISTS',
  'ERR_UNKNOWN_ROOT',
  'ERR_NO_SPACE',
  'ERR_USAGE',
  'ERR_PATH_NOT_FOUND',
  'ERR_FILE_CHANGED'
]
/** Bytes of a file, or where a symbolic link leads. */
type Tree = Readonly<Record<string, Uint8Array | string>>

const [small, large] = [keystream(30_000, 'small'), keystream(1_200_000, 'large')]
const TREES: readonly Tree[] = [
  { '': small },
  { '': large },
  { a: small, 'd/b': large, 'd/empty': new Uint8Array(), 'd/link': '../a' }
]

let lab: NodeLab
eachWithLab(fresh => {
  lab = fresh
})

const entriesOf = (at: string, tree: Tree) =>
  Object.entries(tree).map(([path, what]) => [join(at, path), what] as const)

function layOut(at: string, tree: Tree): void {
  for (const [path, what] of entriesOf(at, tree)) {
    mkdirSync(dirname(path), { recursive: true })
    if (typeof what === 'string') symlinkSync(what, path)
    else writeFileSync(path, what)
  }
}

const textOf = (what: Uint8Array | string) =>
  typeof what === 'string' ? `-> ${what}` : Buffer.from(what).toString('latin1')

/** All that lies in a folder, by path. */
function lookAt(folder: string, found = new Map<string, string>()): Map<string, string> {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    const stats = lstatSync(path)
    if (stats.isDirectory()) lookAt(path, found.set(path, 'folder'))
    else found.set(path, textOf(stats.isSymbolicLink() ? readlinkSync(path) : readFileSync(path)))
  }
  return found
}

const isAt = (at: string, tree: Tree) => {
  const folder = dirname(at)
  const there = existsSync(folder) && lstatSync(folder).isDirectory() ? lookAt(folder) : new Map()
  return entriesOf(at, tree).every(([path, what]) => there.get(path) === textOf(what))
}

it.each([34, 10])(
  'whatever the node and its user do (seed %d)',
  async seed => {
    const random = seededRandom(seed)
    const chance = (of: number) => random.next() < of
    const pick = <T>(from: readonly T[]) => from[random.below(from.length)] as T
    const source = await lab.start('source')
    const contents: Array<{ cid: string; tree: Tree }> = []
    for (const [index, tree] of TREES.entries()) {
      layOut(join(lab.dir, 'from', `${index}`), tree)
      contents.push({ tree, cid: (await source.share(join(lab.dir, 'from', `${index}`))).cid })
    }
    const mine = join(lab.dir, 'mine')
    mkdirSync(join(mine, 'sub'), { recursive: true })
    const evicted: Array<NodeEvents['root:evicted']> = []
    const boot = async () => {
      const started = await lab.start('node', { peers: source.addrs, maxStorage: LIMITS[random.below(3)] ?? null })
      started.on('root:evicted', event => evicted.push(event))
      return started
    }
    let node: ShoalNode = await boot()

    const asUser: ReadonlyArray<(at: string, other: string) => void> = [
      at => rmSync(at, { recursive: true, force: true }),
      (at, other) => existsSync(at) && !existsSync(other) && renameSync(at, other),
      at => existsSync(at) || layOut(at, pick(TREES)),
      at => existsSync(at) || writeFileSync(at, 'my own'),
      (at, other) => existsSync(at) && lstatSync(at).isFile() && !existsSync(other) && linkSync(at, other),
      at => {
        const files = existsSync(at) && lstatSync(at).isDirectory() ? [...lookAt(at).keys()] : [at]
        const file = pick(files.filter(path => existsSync(path) && lstatSync(path).isFile()))
        if (file === undefined) return
        if (chance(0.5)) appendFileSync(file, 'more')
        else writeFileSync(file, readFileSync(file).fill(7))
      }
    ]
    const asNode: ReadonlyArray<(at: string, content: { cid: string; tree: Tree }) => Promise<unknown>> = [
      async at => await node.share(at),
      async (_at, { cid }) => await node.remove(cid),
      async () => await node.gc({ deletePartials: chance(0.5) }),
      async (_at, { cid }) => await node.setPinned(cid, chance(0.3)),
      async (_at, { cid }) => await node.verify(cid),
      async () => await node.setMaxStorage(pick(LIMITS)),
      async () => {
        await node.stop()
        node = await boot()
      }
    ]

    for (let step = 0; step < STEPS; step++) {
      const content = pick(contents)
      const { cid, tree } = content
      const at = join(mine, pick(PLACES))
      if (chance(0.4)) {
        pick(asUser)(at, join(mine, pick(PLACES)))
        continue
      }
      const [before, roots] = [lookAt(mine), await node.list()]
      const wholeAt = (path: string, of: string) => contents.some(each => each.cid === of && isAt(path, each.tree))
      const whole = roots.filter(root => wholeAt(root.path, root.cid))
      const [isGet, isCached, force] = [chance(0.6), chance(0.3), chance(0.3)]
      evicted.length = 0
      const what = isGet
        ? node.fetch(cid, isCached ? { cache: true, force } : { to: at, force }).done
        : pick(asNode)(at, content)
      const got = await what.catch((err: unknown) => {
        if (err instanceof ShoalError && EXPECTED.includes(err.code)) return undefined
        throw err
      })
      // where a get says that the content is, it is
      const place = isGet && got !== undefined ? (got as { path: string }).path : undefined
      if (place !== undefined) expect(isAt(place, tree)).toBe(true)
      // nothing else of the user's has changed
      const added = new Map(place === undefined ? [] : entriesOf(place, tree).map(([path, of]) => [path, textOf(of)]))
      const after = lookAt(mine)
      for (const [path, was] of before) {
        const now = after.get(path)
        const isReplaced = force && !isCached && added.get(path) === now
        const isEvicted = now === undefined && evicted.some(root => `${path}/`.startsWith(`${root.path}/`))
        if (now !== was && !isReplaced && !isEvicted)
          expect.fail(`step ${step}: ${path} was ${now === undefined ? 'deleted' : 'changed'}`)
      }
      for (const [path, now] of after) {
        const isAdded = added.get(path) === now || [...added.keys()].some(each => each.startsWith(`${path}/`))
        if (!before.has(path) && !isAdded) expect.fail(`step ${step}: ${path} was made`)
      }
      // what is pinned is not deleted for room, and what was whole is so still, here or there
      const held = await node.list()
      for (const root of whole) {
        const now = held.find(each => each.cid === root.cid)
        if (evicted.some(each => each.cid === root.cid)) expect(root.pinned).toBe(false)
        else if (now !== undefined) expect(wholeAt(now.path, now.cid) || (force && !isCached)).toBe(true)
      }
      // what is called whole is served, or known to be changed from then on
      for (const root of held.filter(({ state }) => state === 'seeding')) {
        const known = contents.find(each => each.cid === root.cid)
        for (const [path, of] of Object.entries(known?.tree ?? {})) {
          if (typeof of === 'string') continue
          const bytes = await collect(node.read(root.cid, { path })).catch((err: ShoalError) => err)
          if (Buffer.isBuffer(bytes)) expect(bytes.equals(of)).toBe(true)
          else expect([EXPECTED.includes(bytes.code), wholeAt(root.path, root.cid)]).toEqual([true, false])
        }
      }
      await expect.poll(async () => (await node.status()).storage.reserved).toBe(0)
    }
  },
  60_000
)
