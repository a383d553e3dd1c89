/** The CIDs of VECTORS: IPIP-499, Kubo's cid_profiles_test and add_test, js-ipfs-unixfs' ipip-499-profiles. */
import { createCipheriv, createHash, hash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DagNode } from '../../src/content/dag-node.ts'
import { CHUNK_BYTES, FileBuilder } from '../../src/content/file-builder.ts'
import { ingest } from '../../src/content/ingest.ts'
import { assemble, BlockMap, importWith, readParts, TEST_CID_V1, V0_2015 } from './blocks.ts'

const MIB = 1024 * 1024

/** DET(n, seed): ChaCha20 keystream under SHA-256(seed) and a zero nonce, in chunks that are used again. */
function* det(bytes: number, seed: string, chunk = MIB): Generator<Buffer> {
  const cipher = createCipheriv('chacha20', createHash('sha256').update(seed).digest(), Buffer.alloc(16))
  for (let at = 0; at < bytes; at += chunk) yield cipher.update(Buffer.alloc(Math.min(chunk, bytes - at)))
}

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-vectors-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('what we make: unixfs-v1-2025', () => {
  test.each([
    ['hello world', Buffer.from('hello world'), 'bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e'],
    ['empty file', Buffer.alloc(0), 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'],
    [
      '1 MiB',
      Buffer.concat([...det(MIB, 'chunk-v1-seed')]),
      'bafkreiacndfy443ter6qr2tmbbdhadvxxheowwf75s6zehscklu6ezxmta'
    ],
    [
      '1 MiB + 1',
      Buffer.concat([...det(MIB + 1, 'chunk-v1-seed')]),
      'bafybeigmix7t42i6jacydtquhet7srwvgpizfg7gjbq7627d35mjomtu64'
    ]
  ])('%s', async (name, content, cid) => {
    const path = join(folder, name)
    await writeFile(path, content)
    const { manifest } = await ingest(path)
    expect(manifest.root.toString()).toBe(cid)
    expect(manifest.totalBytes).toBe(content.byteLength)
  })

  test('empty directory', async () => {
    const path = await mkdtemp(join(folder, 'empty-'))
    const { manifest } = await ingest(path)
    expect(manifest.root.toString()).toBe('bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354')
    expect(manifest.entries).toEqual([{ kind: 'directory', path: '' }])
    expect(manifest.pieces.count).toBe(0)
  })

  /** One pass over the keystream feeds both. */
  test('1 GiB and 1 GiB + 1', () => {
    const GIB = 1024 * MIB
    const even = new FileBuilder(() => {})
    const odd = new FileBuilder(() => {})
    for (const chunk of det(GIB + 1, 'v1-2025-seed', CHUNK_BYTES)) {
      const digest = hash('sha256', chunk, 'buffer')
      if (chunk.byteLength === CHUNK_BYTES) even.addLeaf(digest, chunk.byteLength)
      odd.addLeaf(digest, chunk.byteLength)
    }
    const made = even.finish()
    expect(made.fileSize).toBe(GIB)
    expect(made.cid.toString()).toBe('bafybeihmf37wcuvtx4hpu7he5zl5qaf2ineo2lqlfrapokkm5zzw7zyhvm')
    expect(odd.finish().cid.toString()).toBe('bafybeibdsi225ugbkmpbdohnxioyab6jsqrmkts3twhpvfnzp77xtzpyhe')
  })
})

describe('what we fetch: other layouts, read back through the manifest', () => {
  test.each([
    ['v0, two leaves', 262_145, 'chunk-v0-seed', 'QmYyLxtzZyW22zpoVAtKANLRHpDjZtNeDjQdJrcQNWoRkJ', 2, 1],
    ['v0, two levels', 174 * 262_144 + 1, 'v0-seed', 'QmV81WL765sC8DXsRhE5fJv2rwhS4icHRaf3J9Zk5FdRnW', 175, 3]
  ])('%s', async (_, bytes, seed, cid, pieces, nodes) => {
    const blocks = new BlockMap()
    const root = await importWith(blocks, [{ content: det(bytes, seed) }], V0_2015)
    expect(root.toString()).toBe(cid)
    const manifest = assemble(root, blocks)
    expect(manifest.root.version).toBe(1)
    expect(manifest.pieces.count).toBe(pieces)
    expect(manifest.pieces.isDagPb(0)).toBe(true)
    expect(manifest.nodes.length).toBe(nodes)
    const read = createHash('sha256')
    for (const part of readParts(manifest, blocks)) read.update(part)
    const written = createHash('sha256')
    for (const part of det(bytes, seed)) written.update(part)
    expect(read.digest('hex')).toBe(written.digest('hex'))
  })

  /** Leaves are not kept: of each piece the manifest's digest is compared with that of the keystream. */
  test.each([
    ['174 MiB', 174, 'bafybeigwduxcf2aawppv3isnfeshnimkyplvw3hthxjhr2bdeje4tdaicu', 1],
    ['175 MiB', 175, 'bafybeidhd7lo2n2v7lta5yamob3xwhbxcczmmtmhquwhjesi35jntf7mpu', 3]
  ])('test-cid-v1, %s', async (_, mebibytes, cid, nodes) => {
    const bytes = mebibytes * MIB
    const blocks = new BlockMap(false)
    const root = await importWith(blocks, [{ content: det(bytes, 'v1-seed') }], TEST_CID_V1)
    expect(root.toString()).toBe(cid)
    const manifest = assemble(root, blocks)
    expect(manifest.nodes.length).toBe(nodes)
    expect(manifest.pieces.count).toBe(mebibytes)
    let k = 0
    for (const chunk of det(bytes, 'v1-seed')) {
      const span = manifest.span(k)
      expect(span).toMatchObject({ entry: 0, fileOffset: k * MIB, length: MIB })
      expect(hash('sha256', chunk, 'buffer').equals(manifest.pieces.digest(span.piece))).toBe(true)
      k += 1
    }
  })

  test('a v0 file of one block is all inline', async () => {
    const blocks = new BlockMap()
    const content = Buffer.from('hello world')
    const root = await importWith(blocks, [{ content }], V0_2015)
    expect(root.toString()).toBe('Qmf412jQZiuVUtdgnB36FXFX7xg5V6KEbSJ4dpQuhkLyfD')
    const manifest = assemble(root, blocks)
    const node = new DagNode(blocks.get(root.multihash.digest))
    expect(manifest.pieces.count).toBe(0)
    expect(manifest.inline).toEqual([{ entry: 0, fileOffset: 0, node: 0, nodeOffset: node.dataOffset, length: 11 }])
    expect(Buffer.concat([...readParts(manifest, blocks)]).toString()).toBe('hello world')
  })
})
