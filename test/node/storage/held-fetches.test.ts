/** A fetch whose caller is gone already, as it asks for room: it is the store's turn that it has, not the caller's hold. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/log.ts'
import { Roots } from '../../../src/node/roots.ts'
import { NodeStorage } from '../../../src/node/storage/node-storage.ts'
import { bytes, contentOf, temporaryFolder } from '../../content/store/content.ts'
import { openStore, writePieces } from '../../content/store/stores.ts'

test('is not deleted for room as it begins, which each would wait for the other for', async () => {
  const dir = await temporaryFolder()
  const store = await openStore(dir)
  const content = await contentOf({ '': bytes(5000, 'a') })
  const { manifest, blocks } = content
  const cid = manifest.root.toString()
  const init = { manifest, blocks, path: join(dir, 'cache', cid), name: 'a', force: false }
  const root = await store.beginFetch({ ...init, evictable: true })
  await writePieces(root, content, [0, 1, 2])
  await store.kv.put(`use/${cid}`, Buffer.from(JSON.stringify({ usedAt: 1, holders: 2, seenAt: Date.now() })))
  const none = () => {}
  const storage = await NodeStorage.open({
    ...{ dataDir: dir, store, clock: systemClock, log: silentLogger, limit: null },
    roots: new Roots({ store, log: silentLogger, limitsOf: () => ({ up: null, down: null }), onChanged: none }),
    ...{ swarms: undefined, network: undefined, signal: new AbortController().signal },
    ...{ forget: async () => {}, onEvicted: none, onLimited: none, onExceeded: none }
  })
  try {
    const began = storage.beginFetch(init).catch((err: { code?: string }) => err.code)
    expect(await storage.setMaxStorage(2000)).toMatchObject({ used: 3000, problem: expect.any(String) })
    expect(await began).toBe('ERR_NO_SPACE')
    // once it has ended
    expect(await storage.setMaxStorage(2000)).toMatchObject({ used: 0, problem: null })
  } finally {
    await storage.stop()
  }
})
