import { hash } from 'node:crypto'
import fc from 'fast-check'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'
import { expect, test } from 'vitest'
import { FileBuilder } from '../../src/content/file-builder.ts'
import { keystream } from '../helpers/keystream.ts'
import { assemble, BlockMap, importWith, readFile, V1_2025 } from './blocks.ts'

function build(content: Uint8Array, chunk: number, width: number, blocks: BlockMap) {
  const builder = new FileBuilder((cid, block) => blocks.put(cid, block), width)
  for (let at = 0; at < content.byteLength; at += chunk) {
    const leaf = content.subarray(at, at + chunk)
    builder.addLeaf(hash('sha256', leaf, 'buffer'), leaf.byteLength)
  }
  return builder.finish()
}

function oracle(content: Uint8Array, chunk: number, width: number, blocks = new BlockMap()) {
  return importWith(blocks, [{ content }], {
    ...V1_2025,
    chunker: fixedSize({ chunkSize: chunk }),
    layout: balanced({ maxChildrenPerNode: width })
  })
}

test('gives the importer’s root for any size and width', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(2000),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 2, max: 9 }),
      async (size, chunk, width) => {
        const content = keystream(size, 'file-builder')
        const blocks = new BlockMap()
        const made = build(content, chunk, width, blocks)
        const expected = await oracle(content, chunk, width, blocks)
        expect(made.cid.toString()).toBe(expected.toString())
        expect(made.fileSize).toBe(size)
        expect(readFile(assemble(made.cid, blocks), blocks).equals(content)).toBe(true)
      }
    ),
    { numRuns: 60 }
  )
})

test.each([0, 1, 16, 17, 1024 * 16, 1024 * 16 + 1, 1025 * 16, 2 * 1024 * 16 + 5])(
  '1024 links a node, leaves of 16 bytes, %i bytes',
  async size => {
    const content = keystream(size, 'wide')
    expect(build(content, 16, 1024, new BlockMap()).cid.toString()).toBe((await oracle(content, 16, 1024)).toString())
  }
)

test('tsize counts every block below, duplicates as often as they occur', () => {
  const sizes: number[] = []
  const builder = new FileBuilder((_, block) => sizes.push(block.byteLength), 2)
  const digest = hash('sha256', 'ab', 'buffer')
  for (let i = 0; i < 3; i++) builder.addLeaf(digest, 2)
  const made = builder.finish()
  expect(made.fileSize).toBe(6)
  expect(made.tsize).toBe(6 + sizes.reduce((sum, size) => sum + size, 0))
})
