/** Where a fetch goes: resuming, what is in the way, force, symbolic links, copies on this machine. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile
} from 'node:fs/promises'
import { createServer } from 'node:net'
import { basename, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { V0_2015 } from '../blocks.ts'
import { bytes, type Content, contentOf, contentWithLinks, layOut, temporaryFolder } from './content.ts'
import { beginFetch, codeOf, found, openStore, share, writePieces } from './stores.ts'

const file = async () => await contentOf({ '': bytes(20_000, 'file') })
const folder = async () => await contentOf({ 'a/x': bytes(3000, 'x'), 'a/y': bytes(2500, 'y'), z: bytes(40, 'z') })

async function partOf(dir: string): Promise<string> {
  const name = (await readdir(dir)).find(entry => entry.endsWith('.part'))
  if (name === undefined) throw new Error('no temporary file')
  return join(dir, name)
}

async function expectWhole(content: Content, path: string): Promise<void> {
  for (const [index, entry] of content.manifest.entries.entries()) {
    if (entry.kind === 'file') expect((await readFile(join(path, entry.path))).equals(content.file(index))).toBe(true)
  }
}

describe('resuming', () => {
  test('what was recorded is held again, without hashing', async () => {
    const dir = await temporaryFolder()
    const content = await file()
    let store = await openStore(join(dir, 'data'))
    const root = await beginFetch(store, content, join(dir, 'out'))
    expect(basename(await partOf(dir))).toBe(`out.shoal-${content.manifest.root.toString().slice(-8)}.part`)
    expect((await stat(await partOf(dir))).size).toBe(20_000)
    await writePieces(root, content, [2, 3, 19])
    await store.close()
    store = await openStore(join(dir, 'data'))
    expect(found(store, content).heldPieces).toBe(3)
    const again = await beginFetch(store, content, join(dir, 'out'))
    expect(again).toBe(found(store, content))
    expect([...again.have.ones()]).toEqual([2, 3, 19])
    expect([again.unrecordedCount, again.heldBytes]).toEqual([0, 3000])
    await writePieces(again, content)
    await again.complete()
    await expectWhole(content, join(dir, 'out'))
  })

  test('nothing is held where the temporary file is gone or another', async () => {
    const dir = await temporaryFolder()
    const content = await file()
    for (const replace of [false, true]) {
      let store = await openStore(join(dir, 'data'))
      await writePieces(await beginFetch(store, content, join(dir, 'out')), content, [0, 1])
      await store.close()
      const part = await partOf(dir)
      await rm(part)
      // Most file systems give it the same inode number.
      if (replace) await writeFile(part, Buffer.alloc(20_000))
      store = await openStore(join(dir, 'data'))
      const root = await beginFetch(store, content, join(dir, 'out'))
      await root.recheckUnrecorded()
      expect(root.have.count).toBe(0)
      await store.remove(content.manifest.root)
      await store.close()
    }
  })

  test('a temporary file of a lost data folder is taken over', async () => {
    const dir = await temporaryFolder()
    const content = await folder()
    let store = await openStore(join(dir, 'data'))
    await writePieces(await beginFetch(store, content, join(dir, 'out')), content, [0, 4])
    await store.close()
    await rm(join(dir, 'data'), { recursive: true })
    store = await openStore(join(dir, 'data'))
    const root = await beginFetch(store, content, join(dir, 'out'))
    expect(root.have.count).toBe(0)
    expect(await root.recheckUnrecorded()).toBe(2)
    expect([...root.have.ones()]).toEqual([0, 4])
    await writePieces(root, content)
    await root.complete()
    await expectWhole(content, join(dir, 'out'))
  })

  test('what has the temporary name and is not ours stays', async () => {
    const dir = await temporaryFolder()
    const content = await file()
    const store = await openStore(join(dir, 'data'))
    await mkdir(join(dir, `out.shoal-${content.manifest.root.toString().slice(-8)}.part`))
    expect(await codeOf(beginFetch(store, content, join(dir, 'out')))).toBe('ERR_EXISTS')
  })

  test('at another path: what is held comes along', async () => {
    const dir = await temporaryFolder()
    const content = await folder()
    const store = await openStore(join(dir, 'data'))
    await writePieces(await beginFetch(store, content, join(dir, 'one')), content, [1, 3])
    const root = await beginFetch(store, content, join(dir, 'sub/folder/two'))
    expect([...root.have.ones()]).toEqual([1, 3])
    expect(store.roots()).toEqual([root])
    expect(await readdir(dir)).toEqual(['data', 'sub'])
    await writePieces(root, content)
    await root.complete()
    await expectWhole(content, join(dir, 'sub/folder/two'))
  })
})

describe('a crash while moving into place', () => {
  test.each([
    ['before anything moved', async () => {}],
    ['after everything moved', async (part: string, out: string) => await rename(part, out)],
    [
      'amid a merge',
      async (part: string, out: string) => {
        if (!(await stat(part)).isDirectory()) return await rename(part, out)
        await mkdir(join(out, 'a'), { recursive: true })
        await rename(join(part, 'a/x'), join(out, 'a/x'))
      }
    ]
  ])('%s', async (_, crash) => {
    const dir = await temporaryFolder()
    for (const content of [await file(), await folder()]) {
      const out = join(dir, content.manifest.root.toString())
      let store = await openStore(join(dir, 'data'))
      let root = await beginFetch(store, content, out, true)
      await writePieces(root, content)
      await root.flush()
      await root.update({ moving: true })
      await store.close()
      await crash(await partOf(dir), out)
      store = await openStore(join(dir, 'data'))
      root = found(store, content)
      await root.load()
      expect(root.have.count).toBe(0)
      expect(await root.recheckUnrecorded()).toBe(root.pieces.count)
      root = await beginFetch(store, content, out, true)
      expect(root.have.isFull).toBe(true)
      await root.complete()
      await expectWhole(content, out)
      expect((await readdir(dir)).filter(name => name.endsWith('.part'))).toEqual([])
      await store.close()
    }
  })
})

describe('what is there already', () => {
  test('content that is there and right is done at once', async () => {
    const dir = await temporaryFolder()
    for (const content of [await file(), await folder()]) {
      const store = await openStore(join(dir, 'data'))
      const path = join(dir, content.manifest.root.toString())
      await layOut(content, path)
      const root = await beginFetch(store, content, path)
      expect([root.state, root.source, root.have.isFull]).toEqual(['complete', 'share', true])
      expect(await beginFetch(store, content, path)).toBe(root)
      await store.close()
    }
  })

  test('something else is refused, and replaced by force', async () => {
    const dir = await temporaryFolder()
    const content = await file()
    const store = await openStore(join(dir, 'data'))
    await writeFile(join(dir, 'out'), 'mine')
    expect(await codeOf(beginFetch(store, content, join(dir, 'out')))).toBe('ERR_EXISTS')
    expect((await readdir(dir)).sort()).toEqual(['data', 'out'])
    const root = await beginFetch(store, content, join(dir, 'out'), true)
    expect(await readFile(join(dir, 'out'), 'utf8')).toBe('mine')
    await writePieces(root, content)
    await root.complete()
    await expectWhole(content, join(dir, 'out'))
  })

  test('what comes into being meanwhile is not replaced, and nothing is lost', async () => {
    const dir = await temporaryFolder()
    for (const content of [await file(), await folder()]) {
      const path = join(dir, `out-${content.manifest.pieces.count}`)
      const store = await openStore(join(dir, 'data'))
      const root = await beginFetch(store, content, path)
      await writePieces(root, content)
      await writeFile(path, 'mine')
      const failed = await root.complete().then(
        () => new Error('completed'),
        err => err
      )
      expect(failed.code).toBe('ERR_EXISTS')
      expect(failed.message).toContain(await partOf(dir))
      expect(await readFile(path, 'utf8')).toBe('mine')
      expect((await root.read(0, 100)).byteLength).toBe(100)
      await rm(path)
      await root.complete()
      await expectWhole(content, path)
      await store.close()
    }
  })

  test('an existing folder is merged by force; nothing of the user is deleted', async () => {
    const dir = await temporaryFolder()
    const content = await folder()
    const out = join(dir, 'out')
    await mkdir(join(out, 'a'), { recursive: true })
    await writeFile(join(out, 'a/x'), 'old')
    await writeFile(join(out, 'a/own'), 'own')
    const store = await openStore(join(dir, 'data'))
    const root = await beginFetch(store, content, out, true)
    await writePieces(root, content)
    await root.complete()
    await expectWhole(content, out)
    expect(await readFile(join(out, 'a/own'), 'utf8')).toBe('own')
    expect((await readdir(dir)).sort()).toEqual(['data', 'out'])
    expect(await root.checkFiles()).toEqual([])
  })

  test('kinds that clash are refused, even by force, and before anything moves', async () => {
    const dir = await temporaryFolder()
    const [single, tree] = [await file(), await folder()]
    const store = await openStore(join(dir, 'data'))
    await mkdir(join(dir, 'd/a/y'), { recursive: true })
    await writeFile(join(dir, 'f'), 'mine')
    expect(await codeOf(beginFetch(store, single, join(dir, 'd'), true))).toBe('ERR_EXISTS')
    expect(await codeOf(beginFetch(store, tree, join(dir, 'f'), true))).toBe('ERR_EXISTS')
    const root = await beginFetch(store, tree, join(dir, 'd'), true)
    await writePieces(root, tree)
    expect(await codeOf(root.complete())).toBe('ERR_EXISTS')
    expect(await readdir(join(dir, 'd/a'))).toEqual(['y'])
    // A link in the way of a folder is not followed.
    await rm(join(dir, 'd/a'), { recursive: true })
    await mkdir(join(dir, 'elsewhere'))
    await symlink(join(dir, 'elsewhere'), join(dir, 'd/a'))
    expect(await codeOf(root.complete())).toBe('ERR_EXISTS')
    expect(await readdir(join(dir, 'elsewhere'))).toEqual([])
    await rm(join(dir, 'd/a'))
    await root.complete()
    await expectWhole(tree, join(dir, 'd'))
  })

  test('a named pipe or a socket is never replaced, at the destination or within it', async () => {
    const dir = await temporaryFolder()
    const [single, tree] = [await file(), await folder()]
    const store = await openStore(join(dir, 'data'))
    execFileSync('mkfifo', [join(dir, 'pipe')])
    const server = createServer().listen(join(dir, 'socket'))
    await once(server, 'listening')
    try {
      for (const [name, kind] of [
        ['pipe', 'a named pipe'],
        ['socket', 'a socket']
      ] as const) {
        await expect(beginFetch(store, single, join(dir, name), true)).rejects.toMatchObject({
          code: 'ERR_EXISTS',
          message: expect.stringContaining(`and is ${kind}, which is never replaced`),
          hint: 'choose another place with -o'
        })
      }
      const late = await beginFetch(store, single, join(dir, 'late'), true)
      await writePieces(late, single)
      const root = await beginFetch(store, tree, join(dir, 'd'), true)
      await writePieces(root, tree)
      await mkdir(join(dir, 'd'))
      for (const name of ['late', 'd/z']) execFileSync('mkfifo', [join(dir, name)])
      expect([await codeOf(late.complete()), await codeOf(root.complete())]).toEqual(['ERR_EXISTS', 'ERR_EXISTS'])
      for (const name of ['pipe', 'late', 'd/z']) expect((await lstat(join(dir, name))).isFIFO()).toBe(true)
      expect((await lstat(join(dir, 'socket'))).isSocket()).toBe(true)
    } finally {
      server.close()
    }
  })

  test.runIf(process.geteuid?.() === 0)('a destination that may not be written', async () => {
    const dir = await temporaryFolder()
    await chmod(dir, 0o755)
    const store = await openStore(join(dir, 'data'))
    process.seteuid?.(65_534)
    try {
      expect(await codeOf(beginFetch(store, await file(), join(dir, 'out')))).toBe('ERR_NO_PERMISSION')
      expect(await codeOf(beginFetch(store, await folder(), join(dir, 'sub/out')))).toBe('ERR_NO_PERMISSION')
    } finally {
      process.seteuid?.(0)
    }
    await writeFile(join(dir, 'plain'), '')
    expect(await codeOf(beginFetch(store, await file(), join(dir, 'plain/out')))).toBe('ERR_EXISTS')
    expect(store.roots()).toEqual([])
  })

  test('a name too long for the suffix', async () => {
    const dir = await temporaryFolder()
    const content = await file()
    const store = await openStore(join(dir, 'data'))
    const name = 'é'.repeat(127)
    const root = await beginFetch(store, content, join(dir, name))
    await writePieces(root, content)
    await root.complete()
    await expectWhole(content, join(dir, name))
  })
})

describe('content that is held elsewhere on this machine', () => {
  test.each([
    ['raw leaves', {}],
    ['dag-pb leaves', V0_2015]
  ])('is copied; the share stays where it is (%s)', async (_, options) => {
    const dir = await temporaryFolder()
    const content = await contentOf(
      { 'a/x': bytes(300_000, 'x'), z: bytes(40, 'z'), e: Buffer.alloc(0) },
      1000,
      options
    )
    const store = await openStore(join(dir, 'data'))
    let held = await beginFetch(store, content, join(dir, 'one'))
    await writePieces(held, content)
    await held.complete()
    held = await beginFetch(store, content, join(dir, 'two'))
    expect([held.state, held.path, held.have.isFull]).toEqual(['complete', join(dir, 'one'), true])
    await expectWhole(content, join(dir, 'two'))
    expect((await readdir(dir)).sort()).toEqual(['data', 'one', 'two'])
  })

  test('what still matches of a damaged share need not be fetched', async () => {
    const dir = await temporaryFolder()
    const content = await folder()
    const store = await openStore(join(dir, 'data'))
    await share(store, content, join(dir, 'mine'))
    await rm(join(dir, 'mine/a/x'))
    const root = await beginFetch(store, content, join(dir, 'out'))
    expect([root.state, root.have.count]).toEqual(['partial', content.manifest.pieces.count - 3])
    await writePieces(root, content)
    await root.complete()
    await expectWhole(content, join(dir, 'out'))
  })
})

describe('symbolic links', () => {
  test('only those that stay inside are made', async () => {
    const dir = await temporaryFolder()
    const content = contentWithLinks(bytes(500, 'f'), {
      good: 'file',
      dangling: 'not/there',
      self: 'self',
      absolute: '/etc/passwd',
      out: '../elsewhere',
      here: '.',
      through: 'here/../../etc',
      sly: 'here/here/./file'
    })
    const store = await openStore(join(dir, 'data'))
    const root = await beginFetch(store, content, join(dir, 'out'))
    await writePieces(root, content)
    const { skipped } = await root.complete()
    expect(skipped.map(({ path }) => path).sort()).toEqual(['absolute', 'out', 'self', 'through'])
    expect((await readdir(join(dir, 'out'))).sort()).toEqual(['dangling', 'file', 'good', 'here', 'sly'])
    expect(await readlink(join(dir, 'out/good'))).toBe('file')
    expect((await lstat(join(dir, 'out/file'))).isFile()).toBe(true)
    expect((await root.complete()).skipped).toEqual(skipped)
    expect((await beginFetch(store, content, join(dir, 'out'))).state).toBe('complete')
  })
})

test('the probe that a kill left in a temporary folder does not come along, and is no file of the content', async () => {
  const dir = await temporaryFolder()
  const content = await contentOf({ '.shoal-probe': bytes(2000, 'theirs'), b: bytes(100, 'b') })
  const store = await openStore(join(dir, 'data'))
  const root = await beginFetch(store, content, join(dir, 'out'))
  await writePieces(root, content)
  await root.probeDisk()
  await writeFile(join(root.temp ?? '', '.shoal-probe-'), '')
  await root.complete()
  expect((await readdir(join(dir, 'out'))).sort()).toEqual(['.shoal-probe', 'b'])
  expect((await readFile(join(dir, 'out/.shoal-probe'))).equals(bytes(2000, 'theirs'))).toBe(true)
})
