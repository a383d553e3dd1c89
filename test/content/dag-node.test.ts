import { createHash } from 'node:crypto'
import * as dagPb from '@ipld/dag-pb'
import fc from 'fast-check'
import { UnixFS } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import { identity } from 'multiformats/hashes/identity'
import { describe, expect, test } from 'vitest'
import { ShoalError } from '../../src/base/errors.ts'
import { cidOf, DAG_PB, RAW } from '../../src/content/cid.ts'
import { DagNode, leafData } from '../../src/content/dag-node.ts'
import { fileNode, folderNode, handNode } from './blocks.ts'

const digest = (n: number) => createHash('sha256').update(String(n)).digest()
const raw = (n: number) => cidOf(RAW, digest(n))
const pb = (n: number) => cidOf(DAG_PB, digest(n))

function codeOf(run: () => unknown): string {
  try {
    run()
    return 'none'
  } catch (err) {
    return err instanceof ShoalError ? err.code : `undeclared: ${err}`
  }
}

const size = fc.oneof(
  fc.nat(3000),
  fc.maxSafeNat().map(n => Math.floor(n / 64))
)
const link = fc.record({
  Name: fc.string({ unit: 'grapheme', maxLength: 20 }).filter(text => !text.startsWith('\ufeff')),
  Tsize: fc.option(size, { nil: undefined }),
  cid: fc.tuple(fc.nat(50), fc.constantFrom('raw', 'pb', 'v0'))
})

test('agrees with @ipld/dag-pb and ipfs-unixfs on whatever they encode', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(link, size), { maxLength: 12 }),
      fc.constantFrom('file', 'raw', 'directory', 'hamt-sharded-directory', 'symlink'),
      fc.uint8Array({ maxLength: 40 }),
      fc.constantFrom(8n, 16n, 256n, 1024n),
      fc.boolean(),
      (drawn, type, data, fanout, dataFirst) => {
        const used = type === 'symlink' ? [] : drawn
        const isFile = type === 'file' || type === 'raw'
        const unixfs = new UnixFS({
          type: type as 'file',
          data,
          blockSizes: isFile ? used.map(([, bytes]) => BigInt(bytes)) : [],
          ...(type === 'hamt-sharded-directory' ? { fanout, hashType: 0x22n } : {}),
          mode: 0o600,
          mtime: { secs: 5n, nsecs: 7 }
        })
        // links-first keeps the order of file links: dag-pb asks only that equal names do not go backwards
        const links = used.map(([{ Name, Tsize, cid }]) => {
          const Hash = cid[1] === 'raw' ? raw(cid[0]) : cid[1] === 'pb' ? pb(cid[0]) : pb(cid[0]).toV0()
          return Tsize === undefined ? { Hash, Name } : { Hash, Name, Tsize }
        })
        const block = dagPb.encode(dagPb.prepare({ Data: unixfs.marshal(), Links: links }), {
          fieldOrder: dataFirst ? 'data-first' : 'links-first'
        })
        const theirs = dagPb.decode(block)
        const theirData = UnixFS.unmarshal(theirs.Data ?? new Uint8Array())
        const ours = new DagNode(block)
        expect(ours.kind).toBe({ raw: 'file', 'hamt-sharded-directory': 'hamt' }[type as string] ?? type)
        expect(ours.linkCount).toBe(theirs.Links.length)
        theirs.Links.forEach((their, i) => {
          expect(ours.cid(i).toString()).toBe(their.Hash.toV1().toString())
          expect(Buffer.from(ours.nameBytes(i)).toString()).toBe(their.Name)
          expect(ours.tsize(i)).toBe(their.Tsize)
        })
        expect(Buffer.from(block.subarray(ours.dataOffset, ours.dataOffset + ours.dataLength))).toEqual(
          Buffer.from(theirData.data ?? [])
        )
        if (isFile) {
          expect(ours.blockSizes.map(BigInt)).toEqual(theirData.blockSizes)
          expect(BigInt(ours.fileSize)).toBe(theirData.fileSize())
        }
        if (ours.kind === 'hamt') expect(BigInt(ours.fanout)).toBe(theirData.fanout)
      }
    )
  )
})

describe('any bytes give a node or ERR_MALFORMED_ROOT', () => {
  const declared = ['none', 'ERR_MALFORMED_ROOT']

  test('arbitrary', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
        expect(declared).toContain(codeOf(() => new DagNode(bytes)))
      }),
      { numRuns: 2000 }
    )
  })

  test('valid ones with bytes changed, cut or added', () => {
    const valid = [
      fileNode(
        [
          { cid: raw(1), size: 5 },
          { cid: pb(2), size: 9, tsize: 20 }
        ],
        Buffer.from('data')
      ),
      folderNode([
        { cid: raw(1), name: 'a', tsize: 4 },
        { cid: pb(2).toV0(), name: 'b', tsize: 40 }
      ]),
      handNode(new UnixFS({ type: 'hamt-sharded-directory', fanout: 256n, data: Uint8Array.of(1) }), [
        { cid: pb(1), name: '00', tsize: 4 }
      ]),
      handNode(new UnixFS({ type: 'symlink', data: Buffer.from('x') }))
    ]
    fc.assert(
      fc.property(
        fc.constantFrom(...valid),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
        fc.nat(200),
        fc.uint8Array({ maxLength: 4 }),
        (block, changes, cut, tail) => {
          const bytes = Buffer.concat([
            Buffer.from(block).subarray(0, Math.max(0, block.byteLength - (cut % 20))),
            tail
          ])
          for (const [at, value] of changes) if (bytes.byteLength > 0) bytes[at % bytes.byteLength] = value
          expect(declared).toContain(codeOf(() => new DagNode(bytes)))
        }
      ),
      { numRuns: 3000 }
    )
  })
})

describe('refuses', () => {
  const malformed = (block: Uint8Array, maxLinks?: number) =>
    expect(codeOf(() => new DagNode(block, maxLinks))).toBe('ERR_MALFORMED_ROOT')

  test('a block that is too large', () => malformed(new Uint8Array(2 * 1024 * 1024 + 1)))
  test('plain dag-pb', () => malformed(dagPb.encode({ Links: [] })))
  test('metadata and unknown types', () => {
    malformed(handNode(Uint8Array.of(8, 3)))
    malformed(handNode(Uint8Array.of(8, 9)))
    malformed(handNode(new Uint8Array()))
  })
  test('too many links', () => malformed(fileNode([1, 2, 3].map(n => ({ cid: raw(n), size: 1 }))), 2))
  test('links and block sizes that differ in number', () =>
    malformed(handNode(new UnixFS({ type: 'file', blockSizes: [1n] }))))
  test('a stated file size that is wrong', () => {
    const data = new UnixFS({ type: 'file', data: Buffer.from('abc') }).marshal()
    malformed(handNode(Uint8Array.from(data, (byte, i) => (i === data.length - 1 ? 4 : byte))))
  })
  test('odd HAMT widths', () => {
    for (const fanout of [0n, 4n, 100n, 2048n])
      malformed(handNode(new UnixFS({ type: 'hamt-sharded-directory', fanout })))
  })
  test('other codecs and hashes', () => {
    malformed(folderNode([{ cid: CID.createV1(0x71, raw(1).multihash), name: 'a', tsize: 1 }]))
    malformed(folderNode([{ cid: CID.createV1(RAW, identity.digest(Buffer.from('hi'))), name: 'a', tsize: 1 }]))
  })
  test('sizes that add up to more than 2^53', () =>
    malformed(
      fileNode([
        { cid: raw(1), size: Number.MAX_SAFE_INTEGER },
        { cid: raw(2), size: 1 }
      ])
    ))
})

test('tells leaves from DAG nodes by the stated sizes alone', () => {
  const mib = 1024 * 1024
  const node = new DagNode(
    fileNode([
      { cid: raw(0), size: 5, tsize: 5 },
      { cid: pb(1), size: 262_144, tsize: 262_158 },
      { cid: pb(2), size: 262_144, tsize: 262_144 + 33 },
      { cid: pb(3), size: 262_144, tsize: 262_143 },
      { cid: pb(4), size: 0, tsize: 6 },
      { cid: pb(5), size: 3 * mib, tsize: 3 * mib + 14 },
      { cid: pb(6), size: 2 * mib - 14, tsize: 2 * mib }
    ])
  )
  expect(Array.from({ length: 7 }, (_, i) => node.leadsToNode(i))).toEqual([
    false,
    false,
    true,
    true,
    false,
    true,
    false
  ])
  expect(new DagNode(folderNode([{ cid: pb(1), name: 'a', tsize: 20 }])).leadsToNode(0)).toBe(true)
})

test('leafData finds the bytes within a dag-pb leaf', () => {
  const block = handNode(new UnixFS({ type: 'raw', data: Buffer.from('hello') }))
  const { offset, length } = leafData(block, 5)
  expect(Buffer.from(block.subarray(offset, offset + length)).toString()).toBe('hello')
  expect(codeOf(() => leafData(block, 4))).toBe('ERR_MALFORMED_ROOT')
  expect(codeOf(() => leafData(fileNode([{ cid: raw(1), size: 5 }]), 5))).toBe('ERR_MALFORMED_ROOT')
  expect(codeOf(() => leafData(folderNode([]), 0))).toBe('ERR_MALFORMED_ROOT')
})
