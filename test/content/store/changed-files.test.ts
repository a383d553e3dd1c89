/** Files that change, shrink, vanish or come back under a seeder. */
import { readFile, rename, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { fingerprintsOf } from '../../../src/content/store/fingerprints-of.ts'
import type { StoredRoot } from '../../../src/content/store/stored-root.ts'
import { bytes, type Content, contentOf, pieceSpace, temporaryFolder } from './content.ts'
import { codeOf, found, openStore, share } from './stores.ts'

const tree = () => ({ 'a.bin': bytes(5000, 'a'), 'b.bin': bytes(3000, 'b'), 'copy.bin': bytes(2000, 'a') })

async function shared() {
  const dir = await temporaryFolder()
  const content = await contentOf(tree())
  const store = await openStore(join(dir, 'data'))
  const path = join(dir, 'thing')
  const root = await share(store, content, path)
  const lost: number[] = []
  root.onLost = pieces => lost.push(...pieces)
  return { dir, content, store, path, root, lost }
}

/** Every held piece reads right, every other one is refused. */
async function expectNoBadByte(root: StoredRoot, content: Content): Promise<void> {
  for (let piece = 0; piece < root.pieces.count; piece++) {
    const read = root.read(root.pieces.offset(piece), root.pieces.wireSize(piece))
    if (root.have.has(piece)) expect(Buffer.from(await read).equals(content.piece(piece))).toBe(true)
    else expect(await codeOf(read)).toBe('ERR_FILE_CHANGED')
  }
}

async function flip(path: string, at: number): Promise<void> {
  const data = await readFile(path)
  data[at] = (data[at] ?? 0) ^ 1
  await writeFile(path, data)
}

/** Pieces: a.bin 0–4 (0 and 1 also in copy.bin), b.bin 5–7. */
describe('a shared file', () => {
  test('that changed loses the pieces that changed, and no others', async () => {
    const { dir, content, store, path, root, lost } = await shared()
    await flip(join(path, 'a.bin'), 3500)
    expect(await codeOf(root.read(3000, 100))).toBe('ERR_FILE_CHANGED')
    expect(lost).toEqual([3])
    expect(root.state).toBe('damaged')
    expect(root.problem).toContain(join(path, 'a.bin'))
    expect(root.heldBytes).toBe(root.totalBytes - 1000)
    await expectNoBadByte(root, content)
    await store.close()
    const again = found(await openStore(join(dir, 'data')), content)
    expect([again.state, again.problem]).toEqual([root.state, root.problem])
    await again.load()
    expect(again.have.has(3)).toBe(false)
    expect(await again.checkFiles()).toEqual([])
    await expectNoBadByte(again, content)
  })

  test('that was touched only is read on', async () => {
    const { content, path, root, lost } = await shared()
    await utimes(join(path, 'a.bin'), 1, 2)
    const all = await root.read(0, root.pieces.byteLength)
    expect(Buffer.from(all).equals(pieceSpace(content))).toBe(true)
    expect([lost, root.state, root.problem]).toEqual([[], 'complete', null])
  })

  test('whose damaged piece lies elsewhere too is served from there', async () => {
    const { content, path, root, lost } = await shared()
    await flip(join(path, 'a.bin'), 10)
    expect(Buffer.from(await root.read(0, 1000)).equals(content.piece(0))).toBe(true)
    expect([lost, root.state]).toEqual([[], 'complete'])
    expect(root.problem).toContain('a.bin')
    await expectNoBadByte(root, content)
    // Now the other place goes as well.
    await flip(join(path, 'copy.bin'), 10)
    await expectNoBadByteAfterLoss(root, content, [0])
    expect(lost).toEqual([0])
  })

  test('that was shortened, deleted, replaced or made a link', async () => {
    const { content, path, root, lost } = await shared()
    await truncate(join(path, 'b.bin'), 1500)
    expect(await codeOf(root.read(root.pieces.offset(6), 500))).toBe('ERR_FILE_CHANGED')
    expect(lost).toEqual([6, 7])
    expect(root.problem).toContain('shorter')
    await rm(join(path, 'a.bin'))
    expect(await codeOf(root.read(2000, 500))).toBe('ERR_FILE_CHANGED')
    expect(lost.slice(2).sort()).toEqual([2, 3, 4])
    expect(root.problem).toContain('deleted')
    await expectNoBadByte(root, content)
    await rename(join(path, 'copy.bin'), join(path, 'moved.bin'))
    await symlink('moved.bin', join(path, 'copy.bin'))
    expect(await codeOf(root.read(0, 500))).toBe('ERR_FILE_CHANGED')
    expect(root.problem).toContain('symbolic link')
    await expectNoBadByte(root, content)
  })

  test('that changes between two reads through the same open file', async () => {
    const { content, path, root } = await shared()
    await root.read(0, 5000)
    const other = join(path, 'other')
    await writeFile(other, bytes(5000, 'quite different'))
    await rename(other, join(path, 'a.bin'))
    expect(await codeOf(root.read(2000, 3000))).toBe('ERR_FILE_CHANGED')
    await expectNoBadByte(root, content)
  })

  test('that comes back is taken back', async () => {
    const { content, path, root } = await shared()
    await rename(join(path, 'b.bin'), join(path, 'away'))
    expect((await root.checkFiles()).sort()).toEqual([5, 6, 7])
    expect(root.state).toBe('damaged')
    await rename(join(path, 'away'), join(path, 'b.bin'))
    expect(await root.checkFiles()).toEqual([])
    expect([root.state, root.problem, root.have.isFull]).toEqual(['complete', null, true])
    await expectNoBadByte(root, content)
  })

  test('that changed while the node was off', async () => {
    const { dir, content, store, path } = await shared()
    await store.close()
    await flip(join(path, 'b.bin'), 2999)
    const root = found(await openStore(join(dir, 'data')), content)
    expect(await root.checkFiles()).toEqual([7])
    await expectNoBadByte(root, content)
  })

  test('verify finds what fingerprints cannot, and says where', async () => {
    const { content, path, root, lost } = await shared()
    // The same size, and a fingerprint as if nothing had happened.
    await flip(join(path, 'b.bin'), 1001)
    const entry = content.manifest.entries.findIndex(found => found.path === 'b.bin')
    for (const [index, print] of (await fingerprintsOf(root.parts.files)).prints) {
      root.parts.files.prints.set(index, { ...print, altered: false })
    }
    const progress: number[] = []
    const { bad } = await root.verify({ onProgress: ({ bytes }) => progress.push(bytes) })
    expect(bad).toEqual([{ piece: 6, path: 'b.bin', offset: 1000, reason: 'was changed' }])
    expect(progress.at(-1)).toBe(root.totalBytes)
    expect(lost).toEqual([6])
    expect(entry).toBeGreaterThan(0)
    expect(await root.verify()).toEqual({ bad, wrong: [] })
    const stop = AbortSignal.abort()
    expect(await codeOf(root.verify({ signal: stop }))).toBe('ERR_ABORTED')
  })

  test('verify that is interrupted amid a file takes that for no fault of the file', async () => {
    const dir = await temporaryFolder()
    const content = await contentOf({ 'long.bin': bytes(300_000, 'long') })
    const root = await share(await openStore(join(dir, 'data')), content, join(dir, 'thing'))
    const entry = content.manifest.entries.findIndex(found => found.path === 'long.bin')
    const print = root.parts.files.prints.get(entry)
    expect(print).toBeDefined()
    const stop = new AbortController()
    const verifying = root.verify({ signal: stop.signal, onProgress: () => stop.abort() })
    expect(await codeOf(verifying)).toBe('ERR_ABORTED')
    expect(root.parts.files.prints.get(entry)).toEqual(print)
    await expectNoBadByte(root, content)
  })

  test('a whole folder that vanished is noticed at once', async () => {
    const { path, root, lost } = await shared()
    await rm(path, { recursive: true })
    expect((await root.checkFiles()).length).toBe(8)
    expect(lost.length).toBe(8)
    expect(root.heldBytes).toBe(0)
  })

  test('that is empty and was deleted is named; everything is still served', async () => {
    const dir = await temporaryFolder()
    const content = await contentOf({ ...tree(), 'empty.txt': Buffer.alloc(0), 'other.txt': Buffer.alloc(0) })
    const store = await openStore(join(dir, 'data'))
    const root = await share(store, content, join(dir, 'thing'))
    await rm(join(dir, 'thing/empty.txt'))
    expect(await root.checkFiles()).toEqual([])
    expect([root.state, root.have.isFull]).toEqual(['complete', true])
    expect(root.problem).toContain(`${join(dir, 'thing/empty.txt')} was deleted`)
    await expectNoBadByte(root, content)
    await writeFile(join(dir, 'thing/other.txt'), 'x')
    await root.verify()
    expect(root.problem).toContain('and 1 more')
    await writeFile(join(dir, 'thing/other.txt'), '')
    await writeFile(join(dir, 'thing/empty.txt'), '')
    expect(await root.checkFiles()).toEqual([])
    expect(root.problem).toBe(null)
  })

  test('many reads at once see one change', async () => {
    const { path, root, lost } = await shared()
    await flip(join(path, 'a.bin'), 4500)
    const codes = await Promise.all(Array.from({ length: 20 }, () => codeOf(root.read(4000, 1000))))
    expect(new Set(codes)).toEqual(new Set(['ERR_FILE_CHANGED']))
    expect(lost).toEqual([4])
  })
})

async function expectNoBadByteAfterLoss(root: StoredRoot, content: Content, pieces: number[]): Promise<void> {
  for (const piece of pieces) {
    expect(await codeOf(root.read(root.pieces.offset(piece), 1000))).toBe('ERR_FILE_CHANGED')
  }
  await expectNoBadByte(root, content)
}
