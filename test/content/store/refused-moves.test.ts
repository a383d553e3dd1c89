/** A move that is refused before it begins: what is in the way is none of ours, and stays. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { tempPath } from '../../../src/content/store/temp-name.ts'
import { bytes, contentOf, temporaryFolder } from './content.ts'
import { beginFetch, codeOf, openStore, share, writePieces } from './stores.ts'

const folder = () => contentOf({ a: bytes(2500, 'a'), 'b/c': bytes(700, 'c') })

describe('what is in the way of a move stays', () => {
  test('an empty folder that came into being at the destination', async () => {
    const dir = await temporaryFolder()
    const content = await folder()
    const store = await openStore(join(dir, 'data'))
    const out = join(dir, 'out')
    const root = await beginFetch(store, content, out)
    await writePieces(root, content)
    await mkdir(out)
    for (let attempt = 1; attempt <= 2; attempt++) {
      expect(await codeOf(root.complete())).toBe('ERR_EXISTS')
      expect(await readdir(out)).toEqual([])
      expect([root.isMoving, root.state]).toEqual([false, 'partial'])
    }
    root.force = true
    await root.complete()
    expect(await readFile(join(out, 'a'))).toEqual(bytes(2500, 'a'))
  })

  test.each(['fetch', 'copy'])('a folder with the name of that for what is replaced, of a %s', async kind => {
    const dir = await temporaryFolder()
    const content = await folder()
    const store = await openStore(join(dir, 'data'))
    const out = join(dir, 'out')
    await mkdir(out)
    await writeFile(join(out, 'a'), 'old')
    // as of another data folder that was killed amid its move
    const kept = tempPath(out, content.manifest.root, '.old')
    await mkdir(kept)
    await writeFile(join(kept, '1'), 'older')
    if (kind === 'copy') {
      await share(store, content, join(dir, 'shared'))
      expect(await codeOf(beginFetch(store, content, out, true))).toBe('ERR_EXISTS')
    } else {
      const root = await beginFetch(store, content, out, true)
      await writePieces(root, content)
      expect(await codeOf(root.complete())).toBe('ERR_EXISTS')
      expect(root.isMoving).toBe(false)
    }
    expect(await readFile(join(kept, '1'), 'utf8')).toBe('older')
    expect(await readFile(join(out, 'a'), 'utf8')).toBe('old')
    expect(await readdir(dirname(kept))).toContain(`out.shoal-${content.manifest.root.toString().slice(-8)}.part`)
  })
})
