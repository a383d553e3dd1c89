import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { FileFingerprint } from '../../src/content/fingerprint.ts'
import { HashJournal, staleJournals } from '../../src/content/hash-journal.ts'
import { keystream } from '../helpers/keystream.ts'

const HOUR_MS = 3_600_000
/** Files get the system's time, so all else is told from there. */
const NOW_MS = Date.now()
const later = () => NOW_MS + HOUR_MS

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'shoal-journal-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const files = () => readdirSync(join(dir, 'hashed'))
const hex = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString('hex')

function print(change: Partial<FileFingerprint> = {}): FileFingerprint {
  const ns = BigInt(NOW_MS) * 1_000_000n
  return { size: 10 * 2 ** 20, mtimeNs: ns, ctimeNs: ns, ino: 2n ** 63n + 5n, dev: 7n, ...change }
}

async function interrupted(digests: Uint8Array, root = '/root', now = later): Promise<void> {
  const journal = await HashJournal.open(dir, root, now)
  await journal.add('/files/a', print(), 0, digests.subarray(0, 64))
  await journal.add('/files/ü', print({ size: 3 }), 0, digests.subarray(0, 32))
  await journal.add('/files/a', print(), 2, digests.subarray(64))
  await journal.close()
}

test('the next run finds what was hashed and has not changed', async () => {
  const digests = keystream(32 * 5, 'digests')
  await interrupted(digests)
  const journal = await HashJournal.open(dir, '/root', later)
  expect(journal.isEmpty).toBe(false)
  expect(hex(journal.find('/files/a', print()))).toBe(hex(digests))
  expect(hex(journal.find('/files/ü', print({ size: 3 })))).toBe(hex(digests.subarray(0, 32)))
  for (const change of [{ size: 11 * 2 ** 20 }, { mtimeNs: 1n }, { ctimeNs: 1n }, { ino: 1n }]) {
    expect(journal.find('/files/a', print(change))).toBeUndefined()
  }
  expect(journal.find('/files/b', print())).toBeUndefined()
  await journal.close()
})

test('several runs add up, other paths have journals of their own, and the end deletes those of this one', async () => {
  const CHUNKS = 10
  const digests = keystream(32 * CHUNKS, 'digests')
  await interrupted(digests.subarray(0, 32 * 5))
  await interrupted(digests.subarray(0, 96), '/other')
  // So many that the order in which the folder happens to list them is not that of the runs.
  for (let chunk = 5; chunk < CHUNKS; chunk++) {
    const next = await HashJournal.open(dir, '/root', later)
    await next.add('/files/a', print(), chunk, digests.subarray(32 * chunk, 32 * (chunk + 1)))
    await next.close()
  }
  expect(files().length).toBe(2 + CHUNKS - 5)
  const third = await HashJournal.open(dir, '/root', later)
  expect(hex(third.find('/files/a', print()))).toBe(hex(digests))
  await third.discard()
  expect(files().length).toBe(1)
  expect((await HashJournal.open(dir, '/root', later)).isEmpty).toBe(true)
})

test('what was cut off or damaged is not believed, and what comes before it is', async () => {
  const digests = keystream(32 * 5, 'digests')
  await interrupted(digests)
  const path = join(dir, 'hashed', files()[0] ?? '')
  const whole = readFileSync(path)
  for (let length = 0; length < whole.byteLength; length += 7) {
    writeFileSync(path, whole.subarray(0, length))
    const found = (await HashJournal.open(dir, '/root', later)).find('/files/a', print())
    if (found !== undefined) expect(hex(digests)?.startsWith(hex(found) ?? '?')).toBe(true)
    expect(found === undefined).toBe(length < 8 + 46 + 7 + 160)
  }
  for (let at = 0; at < 8 + 46 + 7 + 160; at += 5) {
    const damaged = Buffer.from(whole)
    damaged[at] = (damaged[at] ?? 0) ^ 0x10
    writeFileSync(path, damaged)
    expect((await HashJournal.open(dir, '/root', later)).find('/files/a', print())).toBeUndefined()
  }
  writeFileSync(path, whole)
  appendFileSync(path, Buffer.alloc(100, 0xff))
  expect(hex((await HashJournal.open(dir, '/root', later)).find('/files/a', print()))).toBe(hex(digests))
})

test('a file that changed a moment ago is not noted: it may change again and keep its times', async () => {
  await interrupted(keystream(160, 'digests'), '/root', () => NOW_MS + 1999)
  expect(existsSync(join(dir, 'hashed'))).toBe(false)
  await interrupted(keystream(160, 'digests'), '/root', () => NOW_MS + 2000)
  expect(files().length).toBe(1)
})

test('a data folder that is not there is not made; what nobody took up again goes after two weeks', async () => {
  const missing = join(dir, 'missing')
  const journal = await HashJournal.open(missing, '/root', later)
  await journal.add('/files/a', print(), 0, keystream(32, 'd'))
  await journal.discard()
  expect(existsSync(missing)).toBe(false)
  await interrupted(keystream(160, 'digests'), '/abandoned')
  const [old] = files()
  utimesSync(join(dir, 'hashed', old ?? ''), NOW_MS / 1000, NOW_MS / 1000)
  await interrupted(keystream(160, 'digests'), '/root', () => NOW_MS + 13 * 24 * HOUR_MS)
  expect(files()).toContain(old)
  await interrupted(keystream(160, 'digests'), '/third', () => NOW_MS + 15 * 24 * HOUR_MS)
  expect(files()).not.toContain(old)
})

test('what bears another name, or is no file, is not ours: it is neither read, told nor deleted', async () => {
  await interrupted(keystream(160, 'digests'), '/root')
  const [ours = ''] = files()
  const [key] = ours.split('-')
  const foreign = ['passwords.txt', `${key}-mine`, `${key}-00000000-0000000`, `${ours}.bak`]
  for (const name of foreign) {
    writeFileSync(join(dir, 'hashed', name), 'mine')
    utimesSync(join(dir, 'hashed', name), 1, 1)
  }
  const folder = `${'0'.repeat(32)}-00000000-00000000`
  mkdirSync(join(dir, 'hashed', folder))
  utimesSync(join(dir, 'hashed', folder), 1, 1)
  expect(await staleJournals(dir, NOW_MS + 13 * 24 * HOUR_MS)).toMatchObject([{ path: join(dir, 'hashed', ours) }])
  await interrupted(keystream(160, 'digests'), '/other')
  const journal = await HashJournal.open(dir, '/root', later)
  expect(journal.isEmpty).toBe(false)
  await journal.discard()
  expect(files()).toEqual(expect.arrayContaining([...foreign, folder]))
  expect(files()).not.toContain(ours)
})

test('that no run will take up are told: none of its files is there, or it is too old', async () => {
  expect(await staleJournals(join(dir, 'missing'), NOW_MS)).toEqual([])
  const file = join(dir, 'film')
  writeFileSync(file, '')
  const journal = await HashJournal.open(dir, '/root', later)
  await journal.add('/files/gone', print(), 0, keystream(32, 'd'))
  await journal.add(file, print(), 0, keystream(32, 'd'))
  await journal.close()
  const [name = ''] = files()
  const path = join(dir, 'hashed', name)
  expect(await staleJournals(dir, NOW_MS)).toEqual([])
  expect(await staleJournals(dir, NOW_MS + 15 * 24 * HOUR_MS)).toMatchObject([{ path }])
  rmSync(file)
  expect(await staleJournals(dir, NOW_MS)).toEqual([{ path, size: readFileSync(path).byteLength }])
  // a run that has just begun has noted nothing so far
  writeFileSync(path, '')
  expect(await staleJournals(dir, NOW_MS)).toEqual([])
  expect(await staleJournals(dir, NOW_MS + 2 * HOUR_MS)).toEqual([{ path, size: 0 }])
})
