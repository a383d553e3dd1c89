/** A final name so long that nothing can be added to it. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { bytes, contentOf, temporaryFolder } from './content.ts'
import { beginFetch, codeOf, openStore, writePieces } from './stores.ts'

const NAME = 'n'.repeat(250)

describe('a final name of 250 bytes', () => {
  test('a folder that came into being there costs nothing of the fetch', async () => {
    const dir = await temporaryFolder()
    const content = await contentOf({ a: bytes(2500, 'a'), 'b/c': bytes(700, 'c') })
    const store = await openStore(join(dir, 'data'))
    const out = join(dir, NAME)
    const root = await beginFetch(store, content, out)
    await writePieces(root, content)
    await mkdir(out)
    await writeFile(join(out, 'mine'), 'mine')
    expect(await codeOf(root.complete())).toBe('ERR_EXISTS')
    expect(await readFile(join(root.temp ?? '', 'a'))).toEqual(bytes(2500, 'a'))
  })

  test.each(['file', 'folder'])('a %s replaces what is there with force', async kind => {
    const dir = await temporaryFolder()
    const content = await contentOf({ [kind === 'file' ? '' : 'a']: bytes(2500, 'a') })
    const store = await openStore(join(dir, 'data'))
    const out = join(dir, NAME)
    const file = kind === 'file' ? out : join(out, 'a')
    if (kind === 'folder') await mkdir(out)
    await writeFile(file, 'old')
    const root = await beginFetch(store, content, out, true)
    await writePieces(root, content)
    await root.complete()
    expect(await readFile(file)).toEqual(bytes(2500, 'a'))
    expect((await readdir(dir)).sort()).toEqual(['data', NAME])
  })
})
