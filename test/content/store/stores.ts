/** Stores for tests, closed after each. */
import { afterEach } from 'vitest'
import { ContentStore } from '../../../src/content/store/content-store.ts'
import type { StoredRoot } from '../../../src/content/store/stored-root.ts'
import { type Content, layOut } from './content.ts'

const open: ContentStore[] = []

export async function openStore(dir: string): Promise<ContentStore> {
  const store = await ContentStore.open(dir)
  open.push(store)
  return store
}

afterEach(async () => {
  await Promise.all(open.splice(0).map(store => store.close()))
})

export async function share(store: ContentStore, content: Content, path: string): Promise<StoredRoot> {
  const fingerprints = await layOut(content, path)
  const { manifest, blocks } = content
  return await store.addShared({ manifest, blocks, path, name: 'thing', fingerprints })
}

export async function beginFetch(store: ContentStore, content: Content, path: string, force = false) {
  const { manifest, blocks } = content
  return await store.beginFetch({ manifest, blocks, path, name: 'thing', force })
}

/** Writes these pieces, or all, where they are not held. */
export async function writePieces(root: StoredRoot, content: Content, pieces?: Iterable<number>): Promise<void> {
  for (const piece of pieces ?? Array.from({ length: root.pieces.count }, (_, i) => i)) {
    if (!root.have.has(piece)) await root.write(piece, 1, [content.piece(piece)])
  }
}

export function found(store: ContentStore, content: Content): StoredRoot {
  const root = store.get(content.manifest.root)
  if (root === undefined) throw new Error('the root is gone')
  return root
}

export async function codeOf(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => 'none',
    err => (err as { code?: string }).code ?? String(err)
  )
}
