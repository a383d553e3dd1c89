/** A file system without symbolic links, as FAT is. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { ContentStore } from '../../../src/content/store/content-store.ts'
import type { Disk } from '../../../src/content/store/disk.ts'
import { nodeDisk } from '../../../src/content/store/node-disk.ts'
import { bytes, contentWithLinks, temporaryFolder } from './content.ts'
import { beginFetch, codeOf, writePieces } from './stores.ts'

const stores: ContentStore[] = []
afterEach(async () => {
  await Promise.all(stores.splice(0).map(store => store.close()))
})

const symlink = async (_target: string, path: string) => {
  throw Object.assign(new Error(`EPERM: ${path}`), { code: 'EPERM' })
}

test('content with links that cannot be made there is whole without them', async () => {
  const dir = await temporaryFolder()
  const disk: Disk = { ...nodeDisk, symlink }
  const store = await ContentStore.open(join(dir, 'data'), { disk })
  stores.push(store)
  const content = contentWithLinks(bytes(700, 'f'), { lnk: 'file' })
  const out = join(dir, 'out')
  const root = await beginFetch(store, content, out)
  await writePieces(root, content)
  expect((await root.complete()).skipped).toEqual([
    { path: 'lnk', reason: 'the symbolic link could not be made (EPERM)' }
  ])
  expect(await beginFetch(store, content, out)).toBe(root)
  expect(root.state).toBe('complete')
  await rm(join(out, 'file'))
  expect(await codeOf(beginFetch(store, content, out))).toBe('ERR_EXISTS')
})
