import { createHash } from 'node:crypto'
import { UnixFS } from 'ipfs-unixfs'
import type { CID } from 'multiformats/cid'
import { describe, expect, test } from 'vitest'
import { ShoalError } from '../../src/base/errors.ts'
import { cidOf, DAG_PB, RAW } from '../../src/content/cid.ts'
import { FileBuilder } from '../../src/content/file-builder.ts'
import { assembleManifest, ManifestAssembler, rawRootManifest } from '../../src/content/manifest-assembler.ts'
import type { ManifestLimits } from '../../src/content/manifest-limits.ts'
import { cpuMs } from '../helpers/cpu-time.ts'
import {
  assemble,
  BlockMap,
  fileNode,
  folderNode,
  type HandLink,
  handNode,
  importWith,
  readFile,
  V0_2015,
  V1_2025
} from './blocks.ts'

function codeOf(run: () => unknown): string {
  try {
    run()
    return 'none'
  } catch (err) {
    return err instanceof ShoalError ? err.code : `undeclared: ${err}`
  }
}

/** A DAG written by hand. */
class Hand {
  readonly blocks = new BlockMap()

  raw(text: string): { cid: CID; tsize: number; size: number } {
    const content = Buffer.from(text)
    return { cid: this.blocks.add(RAW, content), tsize: content.byteLength, size: content.byteLength }
  }

  node(block: Uint8Array, below = 0): { cid: CID; tsize: number } {
    return { cid: this.blocks.add(DAG_PB, block), tsize: block.byteLength + below }
  }

  leaf(text: string): { cid: CID; tsize: number; size: number } {
    const block = handNode(new UnixFS({ type: 'file', data: Buffer.from(text) }))
    return { ...this.node(block), size: Buffer.byteLength(text) }
  }

  folder(entries: Record<string, { cid: CID; tsize: number }>): { cid: CID; tsize: number } {
    return this.node(folderNode(Object.entries(entries).map(([name, link]) => ({ name, ...link }))))
  }

  manifest(root: { cid: CID }) {
    return assemble(root.cid, this.blocks)
  }

  code(root: { cid: CID }, limits: Partial<ManifestLimits> = {}): string {
    return codeOf(() => {
      const assembler = new ManifestAssembler(root.cid, limits)
      for (let cid = assembler.nextCid; cid !== undefined; cid = assembler.nextCid) {
        assembler.add(this.blocks.get(cid.multihash.digest))
      }
      assembler.finish()
    })
  }
}

describe('order', () => {
  test('nodes in pre-order, links as stored, each once; pieces by first appearance', () => {
    const hand = new Hand()
    const [a, b, c] = [hand.raw('aaa'), hand.raw('bbb'), hand.raw('ccc')]
    const inner = { ...hand.node(fileNode([c, a])), size: 6 }
    const file = hand.node(fileNode([b, { ...inner, tsize: 1000 }, { ...inner, tsize: 1000 }]))
    const sub = hand.folder({ deep: { cid: inner.cid, tsize: 1000 }, again: a })
    const root = hand.folder({ z: sub, file, y: sub })
    const manifest = hand.manifest(root)
    expect(manifest.nodes.map(String)).toEqual([root, sub, inner, file].map(({ cid }) => cid.toString()))
    expect(manifest.entries.map(entry => entry.path)).toEqual([
      '',
      'z',
      'z/deep',
      'z/again',
      'file',
      'y',
      'y/deep',
      'y/again'
    ])
    const digests = [0, 1, 2].map(i => Buffer.from(manifest.pieces.digest(i)).toString('hex'))
    expect(digests).toEqual([c, a, b].map(({ cid }) => Buffer.from(cid.multihash.digest).toString('hex')))
    expect(manifest.totalBytes).toBe(6 + 3 + 15 + 6 + 3)
    expect(readFile(manifest, hand.blocks, 4).toString()).toBe('bbbcccaaacccaaa')
    expect(manifest.spansOf(1).map(({ entry, fileOffset }) => [entry, fileOffset])).toEqual([
      [2, 3],
      [3, 0],
      [4, 6],
      [4, 12],
      [6, 3],
      [7, 0]
    ])
    for (let k = 0; k < manifest.spanCount; k++) {
      const span = manifest.span(k)
      expect(manifest.spansOf(span.piece)).toContainEqual(span)
    }
    for (const entry of manifest.entries) {
      if (entry.kind !== 'file') continue
      for (let k = entry.firstSpan; k < entry.firstSpan + entry.spanCount; k++) {
        expect(manifest.entries[manifest.span(k).entry]).toBe(entry)
      }
    }
  })

  test('the same leaf may be a DAG node in one place and a piece in another', () => {
    const hand = new Hand()
    const [one, two] = [hand.leaf('first half '), hand.leaf('second half')]
    const file = hand.node(fileNode([one, two]))
    const root = hand.folder({ alone: one, whole: file })
    const manifest = hand.manifest(root)
    expect(manifest.nodes.length).toBe(3)
    expect(manifest.pieces.count).toBe(2)
    expect(manifest.pieces.wireSize(0)).toBe(one.tsize)
    expect(manifest.pieces.dataSize(0)).toBe(11)
    expect(readFile(manifest, hand.blocks, 1).toString()).toBe('first half ')
    expect(readFile(manifest, hand.blocks, 2).toString()).toBe('first half second half')
  })

  test('raw and dag-pb leaves of one digest are two pieces', () => {
    const hand = new Hand()
    const leaf = hand.leaf('0123456789')
    const asRaw = { cid: cidOf(RAW, leaf.cid.multihash.digest), size: leaf.tsize }
    const manifest = hand.manifest(hand.node(fileNode([leaf, asRaw])))
    expect(manifest.pieces.count).toBe(2)
    expect([manifest.pieces.isDagPb(0), manifest.pieces.isDagPb(1)]).toEqual([true, false])
  })

  test('CIDv0 and CIDv1 of a root give the same manifest', async () => {
    const blocks = new BlockMap()
    const root = await importWith(blocks, [{ content: Buffer.alloc(600_000, 1) }], V0_2015)
    expect(root.version).toBe(0)
    expect(assemble(root, blocks).root.toString()).toBe(assemble(root.toV1(), blocks).root.toString())
  })
})

describe('data in DAG nodes', () => {
  test('data beside links comes first; leaves nobody predicted are inline', () => {
    const hand = new Hand()
    const late = hand.leaf('late')
    const file = hand.node(fileNode([{ ...late, tsize: 999 }, hand.raw('raw')], Buffer.from('own ')))
    const manifest = hand.manifest(file)
    expect(manifest.inline.map(({ fileOffset, node, length }) => [fileOffset, node, length])).toEqual([
      [0, 0, 4],
      [4, 1, 4]
    ])
    expect(readFile(manifest, hand.blocks).toString()).toBe('own lateraw')
    for (let offset = 0; offset < 12; offset++) {
      for (let length = 0; length < 12; length++) {
        expect(readFile(manifest, hand.blocks, 0, offset, length).toString()).toBe(
          'own lateraw'.slice(offset, offset + length)
        )
      }
    }
  })

  test('a folder as v0 makes it: small files inline, large ones in dag-pb leaves', async () => {
    const blocks = new BlockMap()
    const large = Buffer.alloc(700_000, 'x')
    const root = await importWith(
      blocks,
      [
        { path: 'r/small', content: Buffer.from('s') },
        { path: 'r/large', content: large }
      ],
      V0_2015
    )
    const manifest = assemble(root, blocks)
    expect(manifest.entries.map(entry => entry.path)).toEqual(['', 'large', 'small'])
    expect(readFile(manifest, blocks, 1).equals(large)).toBe(true)
    expect(readFile(manifest, blocks, 2).toString()).toBe('s')
    expect(manifest.inline.length).toBe(1)
  })
})

describe('raw roots', () => {
  test('the block is node 0 and piece 0', () => {
    const hand = new Hand()
    const { cid } = hand.raw('hello')
    const manifest = hand.manifest({ cid })
    expect(manifest.nodes.map(String)).toEqual([cid.toString()])
    expect(manifest.pieces.count).toBe(1)
    expect(manifest.spansOf(0)).toEqual([{ entry: 0, piece: 0, fileOffset: 0, length: 5 }])
    expect(rawRootManifest(cid, 5).entries).toEqual(manifest.entries)
  })

  test('sizes that cannot be', () => {
    const hand = new Hand()
    const { cid } = hand.raw('hello')
    expect(codeOf(() => rawRootManifest(cid, 3 * 1024 * 1024))).toBe('ERR_MALFORMED_ROOT')
    expect(codeOf(() => rawRootManifest(cid, 0))).toBe('ERR_MALFORMED_ROOT')
    const large = hand.blocks.add(RAW, Buffer.alloc(2 * 1024 * 1024 + 1))
    expect(hand.code({ cid: large })).toBe('ERR_MALFORMED_ROOT')
  })
})

describe('whose fault', () => {
  test('a block that does not match is the sender’s, and changes nothing', () => {
    const hand = new Hand()
    const root = hand.folder({ a: hand.raw('a') })
    const assembler = new ManifestAssembler(root.cid)
    expect(codeOf(() => assembler.add(Buffer.from('junk')))).toBe('ERR_BAD_DATA')
    expect(assembler.known).toBe(0)
    expect(codeOf(() => assembler.finish())).toBe('ERR_BUG')
    assembler.add(hand.blocks.get(root.cid.multihash.digest))
    expect(assembler.complete).toBe(true)
    expect(assembler.blocks().length).toBe(1)
    expect(assembler.finish().entries.length).toBe(2)
  })

  test('nonsense with the right hash is the root’s, for good', () => {
    const hand = new Hand()
    const { cid } = hand.node(Buffer.from('nonsense'))
    const assembler = new ManifestAssembler(cid)
    const block = hand.blocks.get(cid.multihash.digest)
    expect(codeOf(() => assembler.add(block))).toBe('ERR_MALFORMED_ROOT')
    expect(codeOf(() => assembler.add(block))).toBe('ERR_MALFORMED_ROOT')
    expect(codeOf(() => assembler.finish())).toBe('ERR_MALFORMED_ROOT')
  })

  test('assembleManifest wants all blocks, in order', () => {
    const hand = new Hand()
    const sub = hand.folder({})
    const root = hand.folder({ sub })
    const [first, second] = [root, sub].map(({ cid }) => hand.blocks.get(cid.multihash.digest)) as [
      Uint8Array,
      Uint8Array
    ]
    expect(assembleManifest(root.cid, [first, second]).entries.length).toBe(2)
    expect(codeOf(() => assembleManifest(root.cid, [first]))).toBe('ERR_BAD_DATA')
    expect(codeOf(() => assembleManifest(root.cid, [second, first]))).toBe('ERR_BAD_DATA')
  })
})

describe('refuses', () => {
  const hand = new Hand()
  const [a, b] = [hand.raw('aaa'), hand.raw('bbbb')]
  const malformed = (root: { cid: CID }, limits: Partial<ManifestLimits> = {}) =>
    expect(hand.code(root, limits)).toBe('ERR_MALFORMED_ROOT')
  const folder = (...links: HandLink[]) => hand.node(folderNode(links))

  test.each(['', '.', '..', '../x', '/etc', 'a/b', 'nul\0', 'x'.repeat(256)])('the name %j', name => {
    malformed(folder({ ...a, name }))
  })

  test('a name that is not UTF-8', () => {
    const block = Buffer.from(folderNode([{ ...a, name: 'abc' }]))
    block[block.indexOf('abc')] = 0xff
    malformed(hand.node(block))
  })

  test('a path that is too long', () => {
    let node = folder({ ...a, name: 'f' })
    for (let i = 0; i < 17; i++) node = folder({ ...node, name: 'x'.repeat(250) })
    malformed(node)
  })

  test('names that occur twice, as file and folder too', () => {
    malformed(folder({ ...a, name: 'n' }, { ...b, name: 'n' }))
    malformed(folder({ ...a, name: 'n' }, { ...folder(), name: 'n' }))
    expect(hand.code(folder({ ...a, name: 'N' }, { ...b, name: 'n' }))).toBe('none')
  })

  test('lengths that do not add up', () => {
    const inner = hand.node(fileNode([a, b]))
    malformed(hand.node(fileNode([{ cid: inner.cid, size: 8, tsize: 500 }])))
    expect(hand.code(hand.node(fileNode([{ cid: inner.cid, size: 7, tsize: 500 }])))).toBe('none')
  })

  test('two sizes for one piece', () => {
    malformed(hand.node(fileNode([a, { ...a, size: 4 }])))
    malformed(folder({ ...a, name: 'x' }, { ...a, tsize: 9, name: 'y' }))
    const leaf = hand.leaf('leaf')
    malformed(hand.node(fileNode([leaf, { ...leaf, tsize: leaf.tsize + 1 }])))
  })

  test('a size that is missing, too large, or contradicts the hash of nothing', () => {
    malformed(folder({ cid: a.cid, name: 'x' }))
    malformed(folder({ cid: a.cid, name: 'x', tsize: 2 * 1024 * 1024 + 1 }))
    malformed(folder({ cid: a.cid, name: 'x', tsize: 0 }))
    const empty = cidOf(RAW, createHash('sha256').digest())
    malformed(folder({ cid: empty, name: 'x', tsize: 1 }))
    expect(hand.code(folder({ cid: empty, name: 'x', tsize: 0 }))).toBe('none')
  })

  test('a folder within a file, symbolic links without target', () => {
    malformed(hand.node(fileNode([{ cid: folder().cid, size: 0, tsize: 999 }])))
    const link = (target: string) => hand.node(handNode(new UnixFS({ type: 'symlink', data: Buffer.from(target) })))
    malformed(link(''))
    malformed(link('a\0b'))
    malformed(link('x'.repeat(5000)))
    const fine = folder({ ...link('../up'), name: 'l' })
    expect(hand.manifest(fine).entries[1]).toEqual({ kind: 'symlink', path: 'l', target: '../up' })
    expect(hand.manifest(link('t')).entries).toEqual([{ kind: 'symlink', path: '', target: 't' }])
  })

  test('what exceeds its limits', () => {
    const three = folder({ ...a, name: 'a' }, { ...folder(), name: 'b' }, { ...folder({ ...b, name: 'c' }), name: 'd' })
    expect(hand.code(three)).toBe('none')
    malformed(three, { nodes: 2 })
    malformed(three, { nodeBytes: 100 })
    malformed(three, { links: 2 })
    malformed(three, { depth: 1 })
    malformed(three, { entries: 4 })
    malformed(three, { spans: 1 })
    malformed(three, { pathBytes: 3 })
    expect(hand.code(three, { repeatedBytes: 0 })).toBe('none')
    const twice = folder({ ...folder(), name: 'a' }, { ...folder(), name: 'b' })
    malformed(twice, { repeatedBytes: 511 })
    expect(hand.code(twice, { repeatedBytes: 512 })).toBe('none')
  })

  test('repetition has a limit of its own, whatever the number of distinct links', () => {
    const file = hand.node(fileNode(Array.from({ length: 50 }, () => ({ cid: a.cid, size: a.tsize }))))
    // 50 spans and the root; 100 are allowed for 50 links
    expect(hand.code(file, { repeats: 0 })).toBe('none')
    const twice = folder({ ...file, name: 'a' }, { ...file, name: 'b' }, { ...file, name: 'c' })
    // 150 spans, 4 entries; 107 are allowed for 53 links and the root
    malformed(twice, { repeats: 46 })
    expect(hand.code(twice, { repeats: 48 })).toBe('none')
  })

  test('a bomb of identical leaves within the other limits', () => {
    const file = hand.node(fileNode(Array.from({ length: 2_000 }, () => ({ cid: a.cid, size: a.tsize }))))
    malformed(folder(...Array.from({ length: 1_100 }, (_, i) => ({ ...file, name: `${i}` }))))
  })

  test.each(['folders', 'files', 'shards'])('a bomb of %s, before it costs much', kind => {
    let node: { cid: CID; tsize: number } = kind === 'folders' ? folder() : kind === 'files' ? hand.leaf('') : shard()
    for (let i = 0; i < 60; i++) {
      if (kind === 'folders') node = folder({ ...node, name: 'a' }, { ...node, name: 'b' })
      else if (kind === 'files') node = hand.node(fileNode([1, 2].map(() => ({ cid: node.cid, size: 0, tsize: 999 }))))
      else node = shard({ ...node, name: '00' }, { ...node, name: '01' })
    }
    const began = cpuMs()
    malformed(node, { repeatedBytes: 8 * 1024 * 1024, entries: 20_000 })
    expect(cpuMs() - began).toBeLessThan(10_000)
  })

  function shard(...links: HandLink[]) {
    return hand.node(handNode(new UnixFS({ type: 'hamt-sharded-directory', fanout: 256n }), links))
  }

  test('HAMT shards that do not fit together', () => {
    malformed(shard({ ...a, name: 'Zname' }))
    malformed(shard({ ...a, name: '0' }))
    malformed(shard({ ...a, name: '00' }))
    malformed(shard({ ...folder(), name: '00' }))
    const narrow = hand.node(handNode(new UnixFS({ type: 'hamt-sharded-directory', fanout: 16n })))
    malformed(shard({ ...narrow, name: '00' }))
    malformed(shard({ ...a, name: '00same' }, { ...shard({ ...b, name: '01same' }), name: '01' }))
    malformed(shard({ ...a, name: '00..' }))
  })

  test('nothing: HAMTs of other widths are read', () => {
    for (const [fanout, prefix] of [
      [8n, '7'],
      [16n, 'F'],
      [256n, 'FF'],
      [1024n, '3FF']
    ] as const) {
      const width = (links: HandLink[]) =>
        hand.node(handNode(new UnixFS({ type: 'hamt-sharded-directory', fanout }), links))
      const root = width([
        { ...a, name: `${prefix}name` },
        { ...width([{ ...b, name: `${prefix}ff` }]), name: prefix }
      ])
      expect(hand.manifest(root).entries.map(entry => entry.path)).toEqual(['', 'name', 'ff'])
    }
  })
})

test('a HAMT below a HAMT, with other fan-out, comes from the importer whole', async () => {
  const blocks = new BlockMap()
  const input = Array.from({ length: 700 }, (_, i) => ({ path: `r/${i % 7}/n-${i}`, content: Buffer.from(`${i}`) }))
  for (const shardFanoutBits of [4, 8, 10]) {
    const options = { ...V1_2025, shardSplitThresholdBytes: 10, shardFanoutBits }
    const manifest = assemble(await importWith(blocks, structuredClone(input), options), blocks)
    expect(
      manifest.entries
        .filter(entry => entry.kind === 'file')
        .map(entry => `r/${entry.path}`)
        .sort()
    ).toEqual(input.map(({ path }) => path).sort())
  }
})

test('two hundred thousand pieces and a hundred thousand entries within seconds', () => {
  const blocks = new BlockMap()
  const digest = Buffer.alloc(32)
  const builder = new FileBuilder((cid, block) => blocks.put(cid, block))
  for (let i = 0; i < 200_000; i++) {
    digest.writeUInt32LE(i)
    builder.addLeaf(digest, 1024 * 1024)
  }
  const file = builder.finish()
  let began = cpuMs()
  const manifest = assemble(file.cid, blocks)
  expect(cpuMs() - began).toBeLessThan(10_000)
  expect(manifest.pieces.count).toBe(200_000)
  expect(manifest.totalBytes).toBe(200_000 * 1024 * 1024)

  const links: HandLink[] = []
  for (let i = 0; i < 1000; i++) {
    digest.writeUInt32LE(i)
    links.push({ cid: cidOf(RAW, digest), name: `file-${i}`, tsize: 4096 })
  }
  const sub = { cid: blocks.add(DAG_PB, folderNode(links)), tsize: 1 }
  const root = blocks.add(DAG_PB, folderNode(Array.from({ length: 100 }, (_, i) => ({ ...sub, name: `d${i}` }))))
  began = cpuMs()
  expect(assemble(root, blocks).entries.length).toBe(100_101)
  expect(cpuMs() - began).toBeLessThan(10_000)
})
