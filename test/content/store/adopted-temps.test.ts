/** Temporary files that were there before: another data folder may be fetching to them. */
import { lstat, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { bytes, type Content, contentOf, temporaryFolder } from './content.ts'
import { beginFetch, found, openStore, share, writePieces } from './stores.ts'

const ALL = { dryRun: false, deletePartials: true }

let dir: string
let out: string
let content: Content

beforeEach(async () => {
  dir = await temporaryFolder()
  await mkdir(join(dir, 'place'))
  out = join(dir, 'place/out')
  content = await contentOf({ a: bytes(5000, 'a'), 'b/c': bytes(3000, 'c') })
})

/** @returns the temporary folder of an unfinished fetch of another data folder */
async function fetchedElsewhere(): Promise<string> {
  const other = await openStore(join(dir, 'other'))
  const root = await beginFetch(other, content, out)
  await writePieces(root, content, [0, 1, 2])
  await other.close()
  return root.temp ?? ''
}

async function expectGoesOn(): Promise<void> {
  const other = await openStore(join(dir, 'other'))
  const root = await beginFetch(other, content, out)
  expect([...root.have.ones()]).toEqual([0, 1, 2])
}

describe('of another data folder', () => {
  test('they stay when the fetch that took them up is removed, also after a restart', async () => {
    const temp = await fetchedElsewhere()
    let store = await openStore(join(dir, 'data'))
    const root = await beginFetch(store, content, out)
    expect(await root.recheckUnrecorded()).toBe(3)
    await store.close()
    store = await openStore(join(dir, 'data'))
    expect(await store.remove(content.manifest.root)).toMatchObject({ temp, left: true, adopted: true })
    expect((await store.collectGarbage(ALL)).items.filter(({ fate }) => fate === 'deleted')).toEqual([])
    await store.close()
    await (await openStore(join(dir, 'data'))).close()
    await expectGoesOn()
  })

  test('they stay when room is needed, or the content is shared or fetched elsewhere', async () => {
    const temp = await fetchedElsewhere()
    const store = await openStore(join(dir, 'data'))
    await beginFetch(store, content, out)
    await store.setEvictable(content.manifest.root, true)
    expect(await store.evict(content.manifest.root)).toEqual({ freed: 0, left: [temp] })
    await beginFetch(store, content, out)
    await beginFetch(store, content, join(dir, 'two'))
    expect((await lstat(temp)).isDirectory()).toBe(true)
    await beginFetch(store, content, out)
    await share(store, content, join(dir, 'mine'))
    await expectGoesOn()
  })

  test('they stay when a copy to their place fails', async () => {
    const temp = await fetchedElsewhere()
    let store = await openStore(join(dir, 'data'))
    await share(store, content, join(dir, 'mine'))
    await mkdir(join(out, 'a'), { recursive: true })
    await expect(beginFetch(store, content, out, true)).rejects.toMatchObject({ code: 'ERR_EXISTS' })
    await store.close()
    store = await openStore(join(dir, 'data'))
    expect((await lstat(temp)).isDirectory()).toBe(true)
  })
})

test('what this data folder made itself is deleted, though its record was lost meanwhile', async () => {
  const store = await openStore(join(dir, 'data'))
  const root = await beginFetch(store, content, out)
  const temp = root.temp ?? ''
  await root.update({ tempId: '1:1' })
  const again = await beginFetch(store, content, out)
  expect([again === root, again.isAdopted]).toEqual([false, false])
  expect(await store.remove(content.manifest.root)).toMatchObject({ temp, left: false })
  expect(await readdir(join(dir, 'place'))).toEqual([])
})

test('the copy that could not be moved into place is where the message says, until it can be', async () => {
  let store = await openStore(join(dir, 'data'))
  await share(store, content, join(dir, 'mine'))
  await mkdir(join(out, 'a'), { recursive: true })
  await writeFile(join(out, 'a/own'), 'own')
  const failed = await beginFetch(store, content, out, true).then(
    () => undefined,
    err => err
  )
  const [part = ''] = (await readdir(join(dir, 'place'))).filter(name => name.endsWith('.part'))
  const temp = join(dir, 'place', part)
  expect([failed.code, failed.hint]).toEqual(['ERR_EXISTS', 'choose another place with -o'])
  expect(failed.message).toContain(`the complete content is kept in ${temp}`)
  await store.close()
  store = await openStore(join(dir, 'data'))
  expect((await readFile(join(temp, 'a'))).equals(bytes(5000, 'a'))).toBe(true)
  await rm(join(out, 'a'), { recursive: true })
  await beginFetch(store, content, out, true)
  expect(found(store, content).state).toBe('complete')
  expect((await readdir(join(dir, 'place'))).sort()).toEqual(['out'])
  expect((await store.collectGarbage({ ...ALL, dryRun: true })).items).toEqual([])
})

test('what else lies in the folder that is found never becomes part of the content: it is named and stays', async () => {
  const temp = await fetchedElsewhere()
  await mkdir(join(temp, 'b'))
  await writeFile(join(temp, '.shoal-probe'), '')
  const store = await openStore(join(dir, 'data'))
  for (const name of ['own.txt', 'b/own.txt', '.hidden']) {
    await writeFile(join(temp, name), 'own')
    for (const copy of [false, true]) {
      const place = copy ? await openStore(join(dir, 'copying')) : store
      if (copy) await share(place, content, join(dir, 'mine'))
      await expect(beginFetch(place, content, out)).rejects.toMatchObject({
        code: 'ERR_EXISTS',
        message: expect.stringContaining(join(temp, name)),
        hint: 'move it away and run the same command again'
      })
      if (copy) await place.close()
    }
    expect(await readFile(join(temp, name), 'utf8')).toBe('own')
    await rm(join(temp, name))
  }
  const root = await beginFetch(store, content, out)
  expect(await root.recheckUnrecorded()).toBe(3)
  await writePieces(root, content)
  await root.complete()
  expect((await readdir(out)).sort()).toEqual(['a', 'b'])
})
