/** What eviction must see that no fingerprint of a piece tells: folders that lead elsewhere, and bytes inside DAG nodes. */
import { mkdir, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { DAG_PB, RAW } from '../../../src/content/cid.ts'
import type { ContentStore } from '../../../src/content/store/content-store.ts'
import { assemble, BlockMap, fileNode } from '../blocks.ts'
import { bytes, type Content, contentOf, made, temporaryFolder } from './content.ts'
import { beginFetch, openStore, writePieces } from './stores.ts'

async function letGo(store: ContentStore, content: Content, path: string) {
  const root = await beginFetch(store, content, path)
  await writePieces(root, content)
  await root.complete()
  await store.setEvictable(content.manifest.root, true)
  return root
}

/** A file whose first bytes lie in its DAG node, and the others in a piece. */
function mixed(): Content {
  const blocks = new BlockMap()
  const leaf = blocks.add(RAW, bytes(900, 'leaf'))
  const node = fileNode([{ cid: leaf, size: 900 }], bytes(100, 'inline'))
  return made(assemble(blocks.add(DAG_PB, node), blocks), blocks)
}

describe('eviction', () => {
  test.each(['the whole', 'a folder of it'])('leaves what lies elsewhere: %s was moved and linked', async which => {
    const dir = await temporaryFolder()
    const content = await contentOf({
      'sub/a': bytes(2500, 'a'),
      'sub/deep/b': bytes(10, 'b'),
      c: bytes(700, 'c'),
      'sub/hollow': 'folder'
    })
    const store = await openStore(join(dir, 'data'))
    const out = join(dir, 'out')
    await letGo(store, content, out)
    const [from, to] = which === 'the whole' ? [out, join(dir, 'mine')] : [join(out, 'sub'), join(dir, 'mine')]
    await rename(from, to)
    await symlink(to, from)
    const evicted = await store.evict(content.manifest.root)
    const kept = which === 'the whole' ? join(to, 'sub/a') : join(to, 'a')
    expect(await readFile(kept)).toEqual(bytes(2500, 'a'))
    expect(await readdir(which === 'the whole' ? join(to, 'sub') : to)).toEqual(['a', 'deep', 'hollow'])
    expect(evicted?.left).toEqual([from])
    expect((await readdir(dir)).sort()).toEqual(['data', 'mine', 'out'])
  })

  test('leaves a file that was changed in the bytes of its DAG node alone', async () => {
    const dir = await temporaryFolder()
    await mkdir(join(dir, 'x'))
    const content = mixed()
    const store = await openStore(join(dir, 'data'))
    const out = join(dir, 'x/out')
    const root = await letGo(store, content, out)
    expect(await readFile(out)).toEqual(content.file(0))
    const edited = Buffer.concat([bytes(100, 'mine'), content.file(0).subarray(100)])
    await writeFile(out, edited)
    await root.checkFiles()
    expect(await store.evict(content.manifest.root)).toEqual({ freed: 0, left: [out] })
    expect(await readFile(out)).toEqual(edited)
  })
})
