/** A store that is locked, newer, or broken on purpose: say what was lost and go on with the rest. */
import { createHash } from 'node:crypto'
import { chmod, copyFile, mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { bytes, contentOf, pieceSpace, temporaryFolder } from './content.ts'
import { beginFetch, codeOf, found, openStore, share, writePieces } from './stores.ts'

async function twoRoots() {
  const dir = await temporaryFolder()
  const one = await contentOf({ '': bytes(25_000, 'one') })
  const two = await contentOf({ x: bytes(3000, 'two'), y: bytes(2000, 'y') })
  const store = await openStore(join(dir, 'data'))
  await share(store, one, join(dir, 'one.bin'))
  await share(store, two, join(dir, 'two'))
  await store.close()
  return { dir, data: join(dir, 'data'), folder: join(dir, 'data', 'store'), one, two }
}

/** Changes values behind the store's back. */
async function tamper(folder: string, change: (key: string, value: Buffer) => Buffer | null | undefined) {
  const level = new ClassicLevel<string, Buffer>(folder, { valueEncoding: 'buffer' })
  for await (const [key, value] of level.iterator()) {
    const next = change(key, value)
    if (next === null) await level.del(key)
    else if (next !== undefined) await level.put(key, next)
  }
  await level.close()
}

const flipped = (value: Buffer, at: number) => {
  const copy = Buffer.from(value)
  copy[at % copy.byteLength] = (copy[at % copy.byteLength] ?? 0) ^ 0x40
  return copy
}

describe('opening', () => {
  test('a second opener is told that the folder is in use', async () => {
    const dir = await temporaryFolder()
    await openStore(dir)
    const code = await codeOf(openStore(dir))
    expect(code).toBe('ERR_LOCKED')
    await openStore(dir).catch(err => expect(err.message).toContain(dir))
  })

  test.runIf(process.geteuid?.() === 0)('a folder that may not be read or written', async () => {
    const dir = await temporaryFolder()
    await chmod(dir, 0o755)
    await mkdir(join(dir, 'data'), { mode: 0o700 })
    process.seteuid?.(65_534)
    try {
      expect(await codeOf(openStore(join(dir, 'data')))).toBe('ERR_NO_PERMISSION')
      expect(await codeOf(openStore(join(dir, 'other')))).toBe('ERR_NO_PERMISSION')
    } finally {
      process.seteuid?.(0)
    }
  })

  test('a newer format is left alone', async () => {
    const { data, folder } = await twoRoots()
    const list = JSON.parse(await readFile(join(folder, 'roots.json'), 'utf8'))
    await writeFile(join(folder, 'roots.json'), JSON.stringify({ ...list, version: 2 }))
    const before = (await readdir(folder)).sort()
    expect(await codeOf(openStore(data))).toBe('ERR_STORE_VERSION')
    expect((await readdir(folder)).sort()).toEqual(before)
  })

  test('a file where the store should be', async () => {
    const dir = await temporaryFolder()
    await writeFile(join(dir, 'store'), 'x')
    expect(await codeOf(openStore(dir))).not.toBe('none')
    expect(await codeOf(openStore(dir))).toMatch(/^ERR_/)
  })
})

describe('damage', () => {
  test('a flipped byte in a DAG node: that root is damaged, and can be shared or fetched again', async () => {
    const { dir, data, folder, one, two } = await twoRoots()
    await tamper(folder, (key, value) => (key.startsWith('node/00000001/') ? flipped(value, 30) : undefined))
    const store = await openStore(data)
    expect(store.damage.length).toBe(1)
    expect(store.damage[0]).toContain(join(dir, 'one.bin'))
    const broken = found(store, one)
    expect([broken.state, broken.name, broken.path]).toEqual(['damaged', 'thing', join(dir, 'one.bin')])
    expect(await codeOf(broken.load())).toBe('ERR_STORE_DAMAGED')
    const whole = found(store, two)
    await whole.load()
    expect(Buffer.from(await whole.read(0, 3000)).equals(pieceSpace(two).subarray(0, 3000))).toBe(true)
    // Fetching it to where it is finds that nothing is missing.
    const fetched = await beginFetch(store, one, join(dir, 'one.bin'))
    expect([fetched.state, fetched.have.isFull]).toEqual(['complete', true])
    await store.close()
    const again = await openStore(data)
    expect(again.damage).toEqual([])
    await found(again, one).load()
  })

  test.each(['have', 'file'])('a damaged %s record costs hashing, and nothing is lost', async kind => {
    const { data, folder, one } = await twoRoots()
    await tamper(folder, (key, value) => (key.startsWith(`${kind}/`) ? flipped(value, 9) : undefined))
    const root = found(await openStore(data), one)
    expect(await root.checkFiles()).toEqual([])
    expect(root.have.isFull).toBe(true)
    expect(root.state).toBe('complete')
    expect(Buffer.from(await root.read(0, 25_000)).equals(pieceSpace(one))).toBe(true)
  })

  test('a damaged root record is named', async () => {
    const { dir, data, folder, one, two } = await twoRoots()
    await tamper(folder, (key, value) => (key === 'root/00000001' ? value.subarray(0, 20) : undefined))
    const store = await openStore(data)
    expect(store.damage.join('\n')).toContain(join(dir, 'one.bin'))
    expect(store.get(one.manifest.root)).toBeUndefined()
    await found(store, two).load()
    await share(store, one, join(dir, 'one.bin'))
    await store.close()
    expect((await openStore(data)).damage).toEqual([])
  })

  test('a damaged value of another room is forgotten', async () => {
    const { data, folder } = await twoRoots()
    let store = await openStore(data)
    await store.kv.put('a', Buffer.from('1'))
    await store.kv.put('b', Buffer.from('2'))
    await store.close()
    await tamper(folder, (key, value) => (key === 'kv/a' ? flipped(value, 4) : undefined))
    store = await openStore(data)
    expect(await store.kv.get('a')).toBeUndefined()
    expect(store.damage.length).toBe(1)
    expect(Buffer.from((await store.kv.get('b')) ?? []).toString()).toBe('2')
  })

  test.each(['CURRENT', 'MANIFEST'])('without %s everything is found again', async name => {
    const { data, folder, one, two } = await twoRoots()
    for (const file of await readdir(folder)) if (file.startsWith(name)) await rm(join(folder, file))
    const store = await openStore(data)
    expect(store.damage.join('\n')).toContain('repaired')
    for (const content of [one, two]) {
      const root = found(store, content)
      await root.load()
      expect(Buffer.from(await root.read(0, 5000)).equals(pieceSpace(content).subarray(0, 5000))).toBe(true)
    }
  })

  test('LevelDB emptied: every root is named', async () => {
    const { dir, data, folder } = await twoRoots()
    for (const file of await readdir(folder))
      if (file !== 'roots.json') await rm(join(folder, file), { recursive: true })
    const store = await openStore(data)
    expect(store.roots()).toEqual([])
    expect(store.damage.join('\n')).toContain(join(dir, 'one.bin'))
    expect(store.damage.join('\n')).toContain(join(dir, 'two'))
  })

  test('random damage to any file: declared errors at worst, never a bad byte', async () => {
    const { dir, data, folder, one, two } = await twoRoots()
    const whole = join(dir, 'whole')
    await mkdir(whole)
    const names = (await readdir(folder)).filter(name => name !== 'lost')
    for (const name of names) await copyFile(join(folder, name), join(whole, name))
    const seed = Date.now() >>> 0
    console.log(`seed ${seed}`)
    const random = seededRandom(seed)
    for (let round = 0; round < 25; round++) {
      await rm(folder, { recursive: true })
      await mkdir(folder)
      for (const name of names) await copyFile(join(whole, name), join(folder, name))
      const targets = names.filter(name => name !== 'LOCK' && !name.startsWith('LOG'))
      const target = join(folder, targets[random.below(targets.length)] ?? '')
      const content = await readFile(target)
      if (random.below(3) === 0) await truncate(target, random.below(content.byteLength + 1))
      else {
        for (let i = random.below(8); i >= 0; i--) content[random.below(content.byteLength)] = random.below(256)
        await writeFile(target, content)
      }
      try {
        const store = await openStore(data)
        for (const root of store.roots()) {
          const expected = [one, two].find(({ manifest }) => manifest.root.equals(root.cid))
          expect(expected).toBeDefined()
          if (expected === undefined) continue
          try {
            await root.checkFiles()
            for (const piece of root.have.ones()) {
              const block = await root.read(root.pieces.offset(piece), root.pieces.wireSize(piece))
              expect(Buffer.from(block).equals(expected.piece(piece))).toBe(true)
            }
          } catch (err) {
            expect((err as { code?: string }).code).toMatch(/^ERR_(STORE|FILE)_/)
          }
        }
        if (store.roots().length < 2) expect(store.damage.length).toBeGreaterThan(0)
        await store.close()
      } catch (err) {
        expect(`${(err as { code?: string }).code}: ${err}`).toMatch(/^ERR_STORE_/)
      }
    }
  })

  test('an interrupted change leaves no trace', async () => {
    const { data, folder, one } = await twoRoots()
    const value = Buffer.from('left over')
    const level = new ClassicLevel<string, Buffer>(folder, { valueEncoding: 'buffer' })
    for (const key of ['node/000000ff/00000000', 'have/000000ff/00000000', 'env/0000abcd/00000001']) {
      await level.put(key, value)
    }
    await level.close()
    const store = await openStore(data)
    expect(store.damage).toEqual([])
    await store.close()
    const keys: string[] = []
    const after = new ClassicLevel<string, Buffer>(folder, { valueEncoding: 'buffer' })
    for await (const key of after.keys()) keys.push(key)
    await after.close()
    expect(keys.filter(key => /ff|abcd/.test(key.split('/')[1] ?? ''))).toEqual([])
    expect(createHash('sha256').update(one.piece(0)).digest('hex')).toHaveLength(64)
  })

  test('a fetch whose DAG nodes were lost finds its pieces again', async () => {
    const { dir, data, folder } = await twoRoots()
    const content = await contentOf({ '': bytes(30_000, 'fetch') })
    let store = await openStore(data)
    await writePieces(await beginFetch(store, content, join(dir, 'out')), content, [0, 5, 9])
    await store.close()
    await tamper(folder, (key, value) => (key.startsWith('node/00000003/') ? flipped(value, 30) : undefined))
    store = await openStore(data)
    expect(store.damage.length).toBe(1)
    const root = await beginFetch(store, content, join(dir, 'out'))
    expect(await root.recheckUnrecorded()).toBe(3)
    expect([...root.have.ones()]).toEqual([0, 5, 9])
  })
})
