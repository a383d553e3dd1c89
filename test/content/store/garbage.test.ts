import { mkdir, readdir, rename, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/log.ts'
import { ContentStore } from '../../../src/content/store/content-store.ts'
import { Database } from '../../../src/content/store/database.ts'
import { nodeDisk } from '../../../src/content/store/node-disk.ts'
import { nodeKey } from '../../../src/content/store/records.ts'
import { rememberTempOps } from '../../../src/content/store/temp-ledger.ts'
import { tempPath } from '../../../src/content/store/temp-name.ts'
import { SimulatedLevel } from '../../helpers/simulated-level.ts'
import { bytes, type Content, contentOf, temporaryFolder } from './content.ts'
import { beginFetch, found, openStore, writePieces } from './stores.ts'

const DRY = { dryRun: true, deletePartials: true }
const NAMED = { dryRun: false, deletePartials: false }
const ALL = { dryRun: false, deletePartials: true }

let dir: string
let content: Content
let out: string
let temp: string

beforeEach(async () => {
  dir = await temporaryFolder()
  content = await contentOf({ '': bytes(5000, 'a') })
  await mkdir(join(dir, 'place'))
  out = join(dir, 'place', 'film.mkv')
  temp = tempPath(out, content.manifest.root)
})

/** The store forgets the fetch, as when its record was damaged, and its temporary file stays. */
async function forgottenFetch(): Promise<ContentStore> {
  let store = await openStore(join(dir, 'data'))
  const root = await beginFetch(store, content, out)
  await writePieces(root, content, [0, 1])
  const { id } = root
  await store.close()
  const db = await Database.open(join(dir, 'data/store'), () => {}, silentLogger)
  await db.write([{ type: 'del', key: `root/${id.toString(16).padStart(8, '0')}` }], { sync: true })
  await db.close()
  store = await openStore(join(dir, 'data'))
  expect(store.roots()).toEqual([])
  return store
}

describe('partial files', () => {
  test('of a fetch that is forgotten are named, and deleted only when that is asked for', async () => {
    const store = await forgottenFetch()
    const item = { kind: 'partial', path: temp, size: 5000 }
    expect((await store.collectGarbage(DRY)).items).toEqual([{ ...item, fate: 'garbage', reason: null }])
    expect((await store.collectGarbage(NAMED)).items).toEqual([
      { ...item, fate: 'kept', reason: expect.stringContaining('get') }
    ])
    expect(await readdir(join(dir, 'place'))).toHaveLength(1)
    expect((await store.collectGarbage(ALL)).items).toEqual([{ ...item, fate: 'deleted', reason: null }])
    expect(await readdir(join(dir, 'place'))).toEqual([])
    expect((await store.collectGarbage(ALL)).items).toEqual([])
  })

  test('that a fetch knows are none', async () => {
    const store = await openStore(join(dir, 'data'))
    const root = await beginFetch(store, content, out)
    expect((await store.collectGarbage(ALL)).items).toEqual([])
    await writePieces(root, content)
    await root.complete()
    expect((await store.collectGarbage(ALL)).items).toEqual([])
    expect((await found(store, content).verify()).bad).toEqual([])
  })

  test('that only have such a name are told and kept: another node may be at work', async () => {
    const store = await openStore(join(dir, 'data'))
    const root = await beginFetch(store, content, out)
    await writePieces(root, content)
    await root.complete()
    const foreign = join(dir, 'place', 'other.shoal-abcd2345.part')
    await writeFile(foreign, 'not ours')
    await writeFile(join(dir, 'place', 'plain.part'), 'no such name')
    const item = { kind: 'partial', path: foreign, size: 8, fate: 'kept', reason: expect.stringContaining('not known') }
    expect((await store.collectGarbage(ALL)).items).toEqual([item])
    expect(await readdir(join(dir, 'place'))).toHaveLength(3)
  })

  test('in whose place another file is are not deleted', async () => {
    const store = await forgottenFetch()
    await rename(temp, join(dir, 'moved'))
    await writeFile(temp, 'mine')
    expect((await store.collectGarbage(ALL)).items).toMatchObject([{ path: temp, size: 4, fate: 'kept' }])
    expect(await readdir(join(dir, 'place'))).toHaveLength(1)
  })

  test('on a drive that is away are found when it is back', async () => {
    const store = await forgottenFetch()
    await rename(join(dir, 'place'), join(dir, 'away'))
    expect((await store.collectGarbage(ALL)).items).toEqual([])
    await rename(join(dir, 'away'), join(dir, 'place'))
    expect((await store.collectGarbage(ALL)).items).toMatchObject([{ path: temp, fate: 'deleted' }])
  })

  test('of a removed fetch whose drive is away are found when it is back, also after a restart', async () => {
    let store = await openStore(join(dir, 'data'))
    await beginFetch(store, content, out)
    await rename(join(dir, 'place'), join(dir, 'away'))
    expect(await store.remove(content.manifest.root)).toMatchObject({ temp, left: true })
    await store.close()
    store = await openStore(join(dir, 'data'))
    await rename(join(dir, 'away'), join(dir, 'place'))
    expect((await store.collectGarbage(ALL)).items).toMatchObject([{ kind: 'partial', path: temp, fate: 'deleted' }])
  })

  test('of a removed fetch are gone, and rm says which', async () => {
    const store = await openStore(join(dir, 'data'))
    await beginFetch(store, content, out)
    expect(await store.remove(content.manifest.root)).toMatchObject({ path: out, temp, left: false })
    expect(await readdir(join(dir, 'place'))).toEqual([])
  })
})

test('records of no root are deleted, and the store is compacted', async () => {
  let store = await openStore(join(dir, 'data'))
  await beginFetch(store, content, out)
  await store.close()
  const plain = await Database.open(join(dir, 'data/store'), () => {}, silentLogger)
  // as a deletion leaves them that failed while the store went on
  class Late extends Database {
    static override async open(): Promise<Database> {
      return plain
    }
  }
  store = await ContentStore.open(join(dir, 'data'), { openDatabase: Late.open })
  await plain.write([{ type: 'put', key: nodeKey(77, 0), value: bytes(100_000, 'x') }], { sync: true })
  const item = { kind: 'records', path: join(dir, 'data/store/node/0000004d/') }
  expect((await store.collectGarbage(DRY)).items).toMatchObject([{ ...item, fate: 'garbage' }])
  const { items, storeBefore, storeAfter } = await store.collectGarbage(ALL)
  expect(items).toMatchObject([{ ...item, fate: 'deleted' }])
  expect(storeAfter).toBeLessThan(storeBefore + 100_000)
  expect((await store.collectGarbage(DRY)).items).toEqual([])
  expect(found(store, content).state).toBe('partial')
  await store.close()
})

test('what a fetch is about to take is not touched', async () => {
  const level = new SimulatedLevel()
  const openDatabase = async (folder: string) => {
    await mkdir(folder, { recursive: true })
    return new Database(folder, level)
  }
  const store = await ContentStore.open(join(dir, 'data'), { disk: nodeDisk, openDatabase })
  let [reached, goOn] = [() => {}, () => {}]
  const between = new Promise<void>(resolve => {
    reached = resolve
  })
  const gate = new Promise<void>(resolve => {
    goOn = resolve
  })
  // its temporary file is made and noted, and no root has it yet
  level.trouble = async () => {
    if (level.keysOf('trash/').length === 0) return
    reached()
    await gate
  }
  const beginning = beginFetch(store, content, out)
  await between
  const { items } = await store.collectGarbage({ ...ALL, dryRun: true })
  expect([items, await readdir(join(dir, 'place'))]).toEqual([[], [basename(temp)]])
  goOn()
  const root = await beginning
  await writePieces(root, content)
  await root.complete()
  expect((await root.verify()).bad).toEqual([])
  expect([level.keysOf('trash/'), level.keysOf('temp/')]).toEqual([[], []])
  await store.close()
})

test('the ledger of temporary files is not believed without an identity', async () => {
  const store = await openStore(join(dir, 'data'))
  await store.close()
  const db = await Database.open(join(dir, 'data/store'), () => {}, silentLogger)
  await db.write(rememberTempOps(temp, ''), { sync: true })
  await db.close()
  await writeFile(temp, 'mine')
  const again = await openStore(join(dir, 'data'))
  expect((await again.collectGarbage(ALL)).items).toMatchObject([{ path: temp, fate: 'kept' }])
})
