/** Random writes, reads, restarts and file changes against a naive model of what is held. */
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ContentStore } from '../../../src/content/store/content-store.ts'
import type { StoredRoot } from '../../../src/content/store/stored-root.ts'
import { bytes, type Content, contentOf, pieceSpace, temporaryFolder } from './content.ts'
import { beginFetch, found } from './stores.ts'

type Step =
  | { do: 'write'; piece: number; count: number }
  | { do: 'read'; from: number; length: number }
  | { do: 'restart' }
  | { do: 'kill' }
  | { do: 'flush' }
  | { do: 'mutate'; file: number; at: number }
  | { do: 'complete' }
  | { do: 'verify' }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('write' as const), piece: fc.nat(99), count: fc.nat(6) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('read' as const), from: fc.nat(9999), length: fc.nat(5000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('restart' as const, 'kill' as const, 'flush' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('mutate' as const), file: fc.nat(9), at: fc.nat(9999) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('complete' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('verify' as const) }) }
)

const trees = [
  { '': bytes(4321, 'single') },
  { a: bytes(900, 'a'), b: bytes(1700, 'b'), c: bytes(900, 'a'), 'd/e': bytes(30, 'e'), 'd/f': Buffer.alloc(0) },
  { zeros: Buffer.alloc(1500), more: Buffer.alloc(700), 'x/y/z': bytes(299, 'z') }
]

async function runSteps(content: Content, space: Buffer, steps: readonly Step[]): Promise<void> {
  const dir = await temporaryFolder()
  const path = join(dir, 'out')
  let data = join(dir, 'data')
  let store = await ContentStore.open(data)
  let root: StoredRoot = await beginFetch(store, content, path)
  /** The model: what was written, and whether a file was ever tampered with. */
  const written = new Set<number>(root.have.ones())
  let recorded = new Set<number>()
  let tampered = false
  const files = content.manifest.entries.flatMap((entry, i) => (entry.kind === 'file' && entry.size > 0 ? [i] : []))
  try {
    for (const step of steps) {
      if (step.do === 'write' && root.state === 'partial') {
        const first = step.piece % root.pieces.count
        const count = Math.min(step.count + 1, root.pieces.count - first)
        await root.write(
          first,
          count,
          Array.from({ length: count }, (_, i) => content.piece(first + i))
        )
        for (let piece = first; piece < first + count; piece++) written.add(piece)
      } else if (step.do === 'read') {
        const from = step.from % space.byteLength
        const length = Math.min(step.length, space.byteLength - from)
        const isHeld = (offset: number) => root.have.has(root.pieces.pieceAt(offset) ?? -1)
        const all = Array.from({ length }, (_, i) => from + i).every(isHeld)
        try {
          const got = await root.read(from, length)
          expect(all || length === 0).toBe(true)
          expect(Buffer.from(got).equals(space.subarray(from, from + length))).toBe(true)
        } catch (err) {
          expect((err as { code?: string }).code).toBe('ERR_FILE_CHANGED')
          expect(!all || tampered).toBe(true)
        }
      } else if (step.do === 'flush') {
        await root.flush()
        recorded = new Set(written)
      } else if (step.do === 'restart' || step.do === 'kill') {
        // A kill: the records go on as they were at this moment, whatever closing adds to them.
        if (step.do === 'kill') await cp(data, `${data}+`, { recursive: true })
        else recorded = new Set(written)
        await store.close()
        if (step.do === 'kill') data += '+'
        store = await ContentStore.open(data)
        expect(store.damage).toEqual([])
        root = found(store, content)
        await root.load()
        if (tampered) await root.checkFiles()
        await root.recheckUnrecorded()
        if (!tampered) for (const piece of recorded) expect(root.have.has(piece)).toBe(true)
        for (const piece of written) if (!root.have.has(piece)) written.delete(piece)
      } else if (step.do === 'mutate' && root.state !== 'partial') {
        const entry = files[step.file % files.length] ?? 0
        const at = join(path, content.manifest.entries[entry]?.path ?? '')
        const data = await readFile(at)
        data[step.at % data.byteLength] = (data[step.at % data.byteLength] ?? 0) ^ 0x55
        await writeFile(at, data)
        tampered = true
      } else if (step.do === 'complete' && root.have.isFull) {
        await root.complete()
        recorded = new Set(written)
        expect(root.state).not.toBe('partial')
      } else if (step.do === 'verify') {
        const { bad } = await root.verify()
        if (!tampered) expect(bad).toEqual([])
      }
      if (!tampered) expect([...root.have.ones()]).toEqual([...written].sort((a, b) => a - b))
      for (const piece of root.have.ones()) expect(written.has(piece)).toBe(true)
    }
  } finally {
    await store.close()
  }
}

test('any history: what is held is what was written, and no bad byte comes out', async () => {
  for (const tree of trees) {
    const content = await contentOf(tree, 150)
    const space = pieceSpace(content)
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), steps => runSteps(content, space, steps)),
      { numRuns: 25 }
    )
  }
})
