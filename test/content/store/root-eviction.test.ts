import {
  appendFile,
  link,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile
} from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { ContentStore } from '../../../src/content/store/content-store.ts'
import { bytes, type Content, contentOf, contentWithLinks, temporaryFolder } from './content.ts'
import { beginFetch, codeOf, found, openStore, share, writePieces } from './stores.ts'

const folder = () =>
  contentOf({
    'a.bin': bytes(5500, 'a'),
    'deep/er/b.bin': bytes(3000, 'b'),
    empty: Buffer.alloc(0),
    'hollow/none': 'folder' as const
  })

/** Fetched, complete, and let go. */
async function fetched(store: ContentStore, content: Content, path: string) {
  const root = await beginFetch(store, content, path)
  await writePieces(root, content)
  await root.complete()
  await store.setEvictable(content.manifest.root, true)
  return root
}

describe('what a fetch wrote', () => {
  test('goes with all its folders, and the record with it, also after a restart', async () => {
    const dir = await temporaryFolder()
    for (const content of [await folder(), await contentOf({ '': bytes(700, 'raw') })]) {
      let store = await openStore(join(dir, 'data'))
      await fetched(store, content, join(dir, 'out'))
      await store.close()
      store = await openStore(join(dir, 'data'))
      expect(found(store, content).isEvictable).toBe(true)
      const size = content.manifest.totalBytes
      expect(await store.evict(content.manifest.root)).toEqual({ freed: size, left: [] })
      expect(await readdir(dir)).toEqual(['data'])
      expect(store.roots()).toEqual([])
      await store.close()
      store = await openStore(join(dir, 'data'))
      expect([store.roots(), store.damage]).toEqual([[], []])
      expect((await store.collectGarbage({ dryRun: true, deletePartials: true })).items).toEqual([])
      await store.close()
    }
  })

  test('goes while it is unfinished, too', async () => {
    const dir = await temporaryFolder()
    const content = await folder()
    const store = await openStore(join(dir, 'data'))
    const root = await beginFetch(store, content, join(dir, 'out'))
    await writePieces(root, content, [0, 1])
    const { heldBytes } = root
    expect(heldBytes).toBeGreaterThan(0)
    await store.setEvictable(content.manifest.root, true)
    expect(await store.evict(content.manifest.root)).toEqual({ freed: heldBytes, left: [] })
    expect(await readdir(dir)).toEqual(['data'])
  })

  test('stays where it is no longer what was fetched, and so does what is beside it', async () => {
    const dir = await temporaryFolder()
    const content = await folder()
    const store = await openStore(join(dir, 'data'))
    const out = join(dir, 'out')
    await fetched(store, content, out)
    await writeFile(join(out, 'a.bin'), bytes(5500, 'mine'))
    await writeFile(join(out, 'deep/note'), 'mine')
    await link(join(out, 'empty'), join(dir, 'other name'))
    const evicted = await store.evict(content.manifest.root)
    expect(evicted).toEqual({ freed: 3000, left: expect.arrayContaining([join(out, 'a.bin'), join(out, 'empty')]) })
    expect((await readFile(join(out, 'a.bin'))).equals(bytes(5500, 'mine'))).toBe(true)
    expect((await readdir(out, { recursive: true })).sort()).toEqual(['a.bin', 'deep', 'deep/note', 'empty'])
    expect(store.roots()).toEqual([])
  })

  test('stays where something was added, which lies in no piece, though all of it is still served', async () => {
    const dir = await temporaryFolder()
    const many: Record<string, Buffer> = {}
    for (let i = 0; i < 300; i++) many[`${i}`] = bytes(50, `file ${i}`)
    // the last: small files by the hundred, hashed on threads
    for (const [content, name] of [
      [await folder(), 'a.bin'],
      [await contentOf({ '': bytes(700, 'raw') }), ''],
      [await contentOf(many), '7']
    ] as const) {
      const [data, out] = [join(dir, `data ${name}`), join(dir, `out ${name}`)]
      let store = await openStore(data)
      let root = await fetched(store, content, out)
      const at = join(out, name)
      await appendFile(at, 'NOTES')
      for (const entry of Object.keys(many).slice(0, 280)) {
        if (name === '7' && entry !== name) await utimes(join(out, entry), 1, 1)
      }
      expect(await root.checkFiles()).toEqual([])
      expect([root.state, root.have.isFull]).toEqual(['complete', true])
      expect(root.problem).toContain(`${at} is longer than before`)
      expect((await root.read(0, 40)).byteLength).toBe(40)
      await store.close()
      store = await openStore(data)
      root = found(store, content)
      expect(await root.checkFiles()).toEqual([])
      expect((await store.evict(content.manifest.root))?.left).toEqual([at])
      expect((await readFile(at)).subarray(-5).toString()).toBe('NOTES')
      await store.close()
    }
  })

  test('is as it was again when what was added is cut off', async () => {
    const dir = await temporaryFolder()
    const content = await folder()
    const store = await openStore(join(dir, 'data'))
    const out = join(dir, 'out')
    const root = await fetched(store, content, out)
    await appendFile(join(out, 'a.bin'), 'NOTES')
    await root.checkFiles()
    await truncate(join(out, 'a.bin'), 5500)
    await root.checkFiles()
    expect(root.problem).toBeNull()
    expect((await store.evict(content.manifest.root))?.left).toEqual([])
  })

  test('of links only those that a fetch made go, and never what they lead to', async () => {
    const dir = await temporaryFolder()
    const content = contentWithLinks(bytes(900, 'f'), { kept: 'f', changed: 'f' })
    const store = await openStore(join(dir, 'data'))
    const out = join(dir, 'out')
    await fetched(store, content, out)
    await writeFile(join(dir, 'mine'), 'mine')
    await rm(join(out, 'changed'))
    await symlink(join(dir, 'mine'), join(out, 'changed'))
    expect((await store.evict(content.manifest.root))?.left).toEqual([join(out, 'changed')])
    expect([(await readdir(out)).sort(), await readFile(join(dir, 'mine'), 'utf8')]).toEqual([['changed'], 'mine'])
  })
})

describe('what may not go', () => {
  test('is everything, until it is let go, and nothing that was shared', async () => {
    const dir = await temporaryFolder()
    const [content, own] = [await folder(), await contentOf({ 'own.bin': bytes(4000, 'own') })]
    const store = await openStore(join(dir, 'data'))
    await fetched(store, content, join(dir, 'out'))
    await store.setEvictable(content.manifest.root, false)
    expect(await store.evict(content.manifest.root)).toBeUndefined()
    await share(store, own, join(dir, 'own'))
    expect(await codeOf(store.setEvictable(own.manifest.root, true))).toBe('ERR_USAGE')
    await store.setEvictable(own.manifest.root, false)
    expect(await store.evict(own.manifest.root)).toBeUndefined()
    expect(store.roots()).toHaveLength(2)
    const absent = await contentOf({ '': bytes(9, 'absent') })
    expect(await codeOf(store.setEvictable(absent.manifest.root, true))).toBe('ERR_UNKNOWN_ROOT')
    expect(await store.evict(absent.manifest.root)).toBeUndefined()
  })

  test('what was let go and is shared then is its owner’s again', async () => {
    const dir = await temporaryFolder()
    const content = await folder()
    const store = await openStore(join(dir, 'data'))
    await fetched(store, content, join(dir, 'out'))
    await share(store, content, join(dir, 'out'))
    expect(found(store, content).isEvictable).toBe(false)
    expect(await store.evict(content.manifest.root)).toBeUndefined()
  })

  test('files whose drive is away stay held', async () => {
    const dir = await temporaryFolder()
    const content = await folder()
    const store = await openStore(join(dir, 'data'))
    await mkdir(join(dir, 'drive'))
    await fetched(store, content, join(dir, 'drive/out'))
    await rename(join(dir, 'drive'), join(dir, 'away'))
    expect(await store.evict(content.manifest.root)).toBeUndefined()
    await rename(join(dir, 'away'), join(dir, 'drive'))
    expect(await found(store, content).checkFiles()).toEqual([])
    expect((await store.evict(content.manifest.root))?.freed).toBe(content.manifest.totalBytes)
  })
})
