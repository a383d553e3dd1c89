import { hash } from 'node:crypto'
import fc from 'fast-check'
import type { ImportCandidate } from 'ipfs-unixfs-importer'
import { expect, test } from 'vitest'
import { cidOf, RAW } from '../../src/content/cid.ts'
import { DagNode } from '../../src/content/dag-node.ts'
import {
  buildDirectory,
  buildSymlink,
  type NamedLink,
  SHARD_THRESHOLD_BYTES
} from '../../src/content/directory-builder.ts'
import { assemble, BlockMap, importWith, readFile, V1_2025 } from './blocks.ts'

type Tree = string | { link: string } | Map<string, Tree>

function build(tree: Tree, blocks: BlockMap): Promise<Omit<NamedLink, 'name'>> | Omit<NamedLink, 'name'> {
  const sink = blocks.put.bind(blocks)
  if (typeof tree === 'string') {
    const content = Buffer.from(tree)
    blocks.add(RAW, content)
    return { cid: cidOf(RAW, hash('sha256', content, 'buffer')), tsize: content.byteLength }
  }
  if (!(tree instanceof Map)) return buildSymlink(tree.link, sink)
  return (async () => {
    const entries: NamedLink[] = []
    for (const [name, child] of tree) entries.push({ ...(await build(child, blocks)), name })
    return buildDirectory(entries, sink)
  })()
}

function* candidates(tree: Tree, path = 'r'): Generator<ImportCandidate> {
  if (typeof tree === 'string') yield { path, content: Buffer.from(tree) }
  else if (!(tree instanceof Map)) yield { path, link: tree.link }
  else if (tree.size === 0) yield { path }
  else for (const [name, child] of tree) yield* candidates(child, `${path}/${name}`)
}

async function expectParity(tree: Tree): Promise<void> {
  const blocks = new BlockMap()
  const made = await build(tree, blocks)
  expect(made.cid.toString()).toBe((await importWith(new BlockMap(), [...candidates(tree)], V1_2025)).toString())
  const manifest = assemble(made.cid, blocks)
  const wanted = new Map<string, Tree>()
  const list = (node: Tree, path: string) => {
    wanted.set(path, node)
    if (node instanceof Map) for (const [name, child] of node) list(child, path === '' ? name : `${path}/${name}`)
  }
  list(tree, '')
  expect(manifest.entries.map(entry => entry.path).sort()).toEqual([...wanted.keys()].sort())
  manifest.entries.forEach((entry, index) => {
    const node = wanted.get(entry.path)
    if (entry.kind === 'symlink') expect(node).toEqual({ link: entry.target })
    else if (entry.kind === 'directory') expect(node).toBeInstanceOf(Map)
    else expect(readFile(manifest, blocks, index).toString()).toBe(node)
  })
}

/** The importer’s own path parser eats carets, backslashes and outer white space. */
const name = fc
  .oneof(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }),
    fc.constantFrom('a', 'A', 'ä', 'a\u0308', 'z.txt', '\ufeffbom', '😀', '\ue000', 'ﬀ', '..a', 'a b', '%41', 'con')
  )
  .filter(text => text !== '.' && text !== '..' && !/[\\^/\0]/.test(text) && text.trim() === text && text !== '')

const { tree } = fc.letrec<{ tree: Tree; folder: Tree }>(tie => ({
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom('', 'same', 'same bytes twice'),
    fc.string({ maxLength: 30 }),
    fc.constantFrom({ link: '../x' }, { link: 'ziel/ä' }),
    tie('folder')
  ),
  folder: fc.dictionary(name, tie('tree'), { maxKeys: 6 }).map(object => new Map(Object.entries(object)))
}))

test('gives the importer’s root for random trees, and every path and byte comes back', async () => {
  await fc.assert(
    fc.asyncProperty(fc.dictionary(name, tree, { maxKeys: 8 }), object =>
      expectParity(new Map(Object.entries(object)))
    ),
    { numRuns: 80 }
  )
})

test('a folder of five thousand files is a HAMT, like the importer’s', async () => {
  const files = new Map<string, Tree>()
  for (let i = 0; i < 5000; i++) files.set(`datei-ä-${i}-${'x'.repeat(i % 17)}`, `${i % 100}`)
  await expectParity(
    new Map<string, Tree>([
      ['big', files],
      ['small', new Map([['a', 'b']])]
    ])
  )
})

test('the threshold is exact to the byte', async () => {
  const files = new Map<string, Tree>()
  for (let i = 0; i < 4000; i++) files.set(`file-number-${String(i).padStart(6, '0')}`, 'x')
  const sizeWith = async (lastName: string) => {
    const blocks = new BlockMap()
    const made = await build(new Map(files).set(lastName, 'x'), blocks)
    return { block: blocks.get(made.cid.multihash.digest), tree: new Map(files).set(lastName, 'x') }
  }
  const short = await sizeWith('z'.repeat(10))
  // fill up until only the length of the last name has to make up for the rest
  let room = SHARD_THRESHOLD_BYTES - short.block.byteLength
  const perEntry = 2 + 38 + 2 + 10 + 2
  for (let i = 0; room >= perEntry; i++) {
    files.set(`y${String(i).padStart(9, '0')}`, 'x')
    room -= perEntry
  }
  const exact = await sizeWith('z'.repeat(10 + room))
  expect(exact.block.byteLength).toBe(SHARD_THRESHOLD_BYTES)
  expect(new DagNode(exact.block).kind).toBe('directory')
  await expectParity(exact.tree)
  const over = await sizeWith('z'.repeat(11 + room))
  expect(new DagNode(over.block).kind).toBe('hamt')
  await expectParity(over.tree)
})

test('subfolders count towards the threshold, as in Kubo', async () => {
  const folders = new Map<string, Tree>()
  for (let i = 0; i < 5000; i++) folders.set(`folder-${i}`, new Map([['f', 'x']]))
  const blocks = new BlockMap()
  const made = await build(folders, blocks)
  expect(new DagNode(blocks.get(made.cid.multihash.digest)).kind).toBe('hamt')
  expect(assemble(made.cid, blocks).entries.length).toBe(10_001)
})

test('links are in order of name bytes, not of UTF-16 units', async () => {
  const blocks = new BlockMap()
  const made = await build(
    new Map([
      ['\u{1f600}', 'a'],
      ['\ufb00', 'b']
    ]),
    blocks
  )
  const node = new DagNode(blocks.get(made.cid.multihash.digest))
  expect([0, 1].map(i => Buffer.from(node.nameBytes(i)).toString())).toEqual(['\ufb00', '\u{1f600}'])
})
