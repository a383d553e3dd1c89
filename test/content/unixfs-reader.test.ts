import { hash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RAW } from '../../src/content/cid.ts'
import { buildDirectory } from '../../src/content/directory-builder.ts'
import { FileBuilder } from '../../src/content/file-builder.ts'
import { entryAt, filePartsOf } from '../../src/content/unixfs-reader.ts'
import { keystream } from '../helpers/keystream.ts'
import { assemble, BlockMap, readFile } from './blocks.ts'

const CHUNK = 10
const content = keystream(95, 'reader')

async function folder() {
  const blocks = new BlockMap()
  const sink = blocks.put.bind(blocks)
  const builder = new FileBuilder(sink, 3)
  for (let at = 0; at < content.byteLength; at += CHUNK) {
    const leaf = content.subarray(at, at + CHUNK)
    blocks.add(RAW, leaf)
    builder.addLeaf(hash('sha256', leaf, 'buffer'), leaf.byteLength)
  }
  const file = builder.finish()
  blocks.add(RAW, new Uint8Array())
  const empty = new FileBuilder(sink).finish()
  const sub = await buildDirectory([{ ...file, name: 'file' }], sink)
  const root = await buildDirectory(
    [
      { ...file, name: 'a' },
      { ...empty, name: 'empty' },
      { ...sub, name: 'sub' }
    ],
    sink
  )
  return { manifest: assemble(root.cid, blocks), blocks }
}

test('finds entries by path', async () => {
  const { manifest } = await folder()
  for (const [index, entry] of manifest.entries.entries()) expect(entryAt(manifest, entry.path)).toBe(index)
  expect(entryAt(manifest, '/sub/file')).toBe(entryAt(manifest, 'sub/file'))
  expect(entryAt(manifest, 'sub/')).toBe(entryAt(manifest, 'sub'))
  expect(entryAt(manifest, '')).toBe(0)
  expect(entryAt(manifest, 'nothing')).toBeUndefined()
})

test('any range has its bytes, in order, without gap', async () => {
  const { manifest, blocks } = await folder()
  fc.assert(
    fc.property(fc.constantFrom('a', 'sub/file'), fc.nat(120), fc.nat(120), (path, offset, length) => {
      const entry = entryAt(manifest, path) ?? -1
      let at = Math.min(offset, content.byteLength)
      for (const part of filePartsOf(manifest, entry, offset, length)) {
        expect(part.fileOffset).toBe(at)
        expect(part.length).toBeGreaterThan(0)
        at += part.length
      }
      expect(readFile(manifest, blocks, entry, offset, length).equals(content.subarray(offset, offset + length))).toBe(
        true
      )
    })
  )
})

test('nothing for empty files, folders and what is not there', async () => {
  const { manifest } = await folder()
  for (const path of ['empty', '', 'sub']) expect([...filePartsOf(manifest, entryAt(manifest, path) ?? -1)]).toEqual([])
  expect([...filePartsOf(manifest, 99)]).toEqual([])
})
