import { chmod, chown, lchown, mkdir, mkdtemp, readdir, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest'
import { makeDataDir } from '../../src/node/data-dir.ts'
import { hashPath } from '../../src/node/hash-path.ts'
import { requireOwner, requireUnshared } from '../../src/node/owner-only.ts'
import { eachWithLab, type NodeLab } from '../helpers/node-lab.ts'

const STRANGER = 54_321
const isRoot = process.getuid?.() === 0
const NO = { code: 'ERR_NO_PERMISSION', hint: expect.stringMatching(/--data-dir/) }

let base: string
let dir: string
beforeEach(async () => {
  base = await realpath(await mkdtemp(join(tmpdir(), 'shoal-data-')))
  dir = join(base, 'data')
})
afterEach(() => rm(base, { recursive: true, force: true }))

const modeOf = async (path: string) => (await stat(path)).mode & 0o7777

async function folder(mode: number): Promise<void> {
  await mkdir(dir)
  await chmod(dir, mode)
}

async function file(name: string, mode: number): Promise<string> {
  const path = join(dir, name)
  await writeFile(path, 'x')
  await chmod(path, mode)
  return path
}

test('it is made for its owner alone', async () => {
  expect(await makeDataDir(join(dir, 'deep'))).toEqual([])
  expect(await modeOf(join(dir, 'deep'))).toBe(0o700)
  expect(await makeDataDir(join(dir, 'deep'))).toEqual([])
})

describe('one that holds nothing but what is a node’s', () => {
  test.each([0o755, 0o775, 0o777, 0o710, 0o1777])('is closed from mode %o, and that is said', async mode => {
    await folder(mode)
    await file('key', 0o600)
    await file('.key-0a1b2c3d4e5f', 0o600)
    await file('peers.json', 0o600)
    await file('peers.json.0a1b2c3d', 0o600)
    await file('control.sock', 0o600)
    await mkdir(join(dir, 'store'), 0o700)
    await mkdir(join(dir, 'cache'), 0o700)
    await mkdir(join(dir, 'hashed'), 0o700)
    const said = await makeDataDir(dir)
    expect(said).toEqual([
      `the data folder ${dir} was open to others (mode ${mode.toString(8).padStart(4, '0')}): closed`
    ])
    expect((await modeOf(dir)) & 0o077).toBe(0)
    expect(await makeDataDir(dir)).toEqual([])
  })

  it('is closed when it holds the notes of a control socket', async () => {
    await folder(0o755)
    for (const name of ['control.sock', 'control.path', 'control.path.0123abcd']) await file(name, 0o600)
    await makeDataDir(dir)
    expect(await modeOf(dir)).toBe(0o700)
  })

  it('is closed when it is empty', async () => {
    await folder(0o755)
    expect(await makeDataDir(dir)).toHaveLength(1)
    expect(await modeOf(dir)).toBe(0o700)
  })
})

describe('one that holds other things too', () => {
  test.each([0o775, 0o757, 0o1777])('is refused at mode %o, where others can write, and left as it is', async mode => {
    await folder(mode)
    await file('holiday.jpg', 0o644)
    await expect(makeDataDir(dir)).rejects.toMatchObject(NO)
    expect(await modeOf(dir)).toBe(mode)
  })

  it('is taken as it is where others can only look', async () => {
    await folder(0o755)
    await file('holiday.jpg', 0o644)
    expect(await makeDataDir(dir)).toEqual([])
    expect(await modeOf(dir)).toBe(0o755)
  })
})

test.skipIf(process.platform !== 'linux')('where nothing can be made, that is said', async () => {
  await expect(makeDataDir('/proc/shoal/data')).rejects.toMatchObject({ code: 'ERR_PATH_NOT_FOUND' })
})

test('a key that others could read is closed, and the user hears what that means', async () => {
  await folder(0o700)
  const key = await file('key', 0o644)
  expect(await makeDataDir(dir)).toEqual([
    expect.stringMatching(/key of this node was open.*mode 0644.*closed; .*another/)
  ])
  expect(await modeOf(key)).toBe(0o600)
})

test('so is the store', async () => {
  await folder(0o700)
  await mkdir(join(dir, 'store'))
  await chmod(join(dir, 'store'), 0o750)
  expect(await makeDataDir(dir)).toEqual([expect.stringMatching(/what this node holds was open/)])
  expect(await modeOf(join(dir, 'store'))).toBe(0o700)
})

test('a symbolic link of one’s own is as good as the folder', async () => {
  await folder(0o700)
  await symlink(dir, join(base, 'link'))
  expect(await makeDataDir(join(base, 'link'))).toEqual([])
})

test('who owns a file decides, and root may own any', () => {
  expect(() => requireOwner({ uid: STRANGER }, '/x')).toThrow(expect.objectContaining(NO))
  expect(() => requireOwner({ uid: process.getuid?.() ?? 0 }, '/x')).not.toThrow()
  expect(() => requireOwner({ uid: 0 }, '/x')).not.toThrow()
  for (const mode of [0o720, 0o702, 0o1777]) {
    expect(() => requireUnshared({ mode }, '/x')).toThrow(expect.objectContaining(NO))
  }
  expect(() => requireUnshared({ mode: 0o755 }, '/x')).not.toThrow()
})

/** Only root can give files away. */
describe.skipIf(!isRoot)('what another user owns is refused:', () => {
  it('the folder', async () => {
    await folder(0o700)
    await chown(dir, STRANGER, STRANGER)
    await expect(makeDataDir(dir)).rejects.toMatchObject(NO)
  })

  it('a symbolic link to a folder of one’s own', async () => {
    await folder(0o700)
    const link = join(base, 'link')
    await symlink(dir, link)
    await lchown(link, STRANGER, STRANGER)
    await expect(makeDataDir(link)).rejects.toMatchObject(NO)
  })

  test.each(['key', 'store'])('its %s', async name => {
    await folder(0o700)
    await chown(await file(name, 0o600), STRANGER, STRANGER)
    await expect(makeDataDir(dir)).rejects.toMatchObject(NO)
  })
})

describe('a node', () => {
  let lab: NodeLab
  eachWithLab(each => {
    lab = each
  })

  it('starts on a folder that it closes, and says so in its status', async () => {
    const data = join(lab.dir, 'open')
    await mkdir(data)
    await chmod(data, 0o775)
    const node = await lab.start('open', { offline: true })
    expect((await node.status()).problems).toEqual([expect.stringMatching(/was open to others \(mode 0775\): closed/)])
    expect(await modeOf(data)).toBe(0o700)
  })

  it('knows all that it puts there itself: its folder can be closed after any use', async () => {
    const { path } = lab.file('content', 3_000_000)
    const sharer = await lab.start('sharer')
    const { cid } = await sharer.share(path)
    const reader = await lab.start('reader', { peers: sharer.addrs })
    for await (const _ of reader.read(cid)) break
    await hashPath(path, { dataDir: join(lab.dir, 'reader') })
    await Promise.all([sharer.stop(), reader.stop()])
    for (const name of ['sharer', 'reader']) {
      const data = join(lab.dir, name)
      expect((await readdir(data)).length).toBeGreaterThan(2)
      await chmod(data, 0o755)
      expect(await makeDataDir(data)).toEqual([expect.stringMatching(/was open to others/)])
    }
  })

  it('does not start where others write', async () => {
    const data = join(lab.dir, 'shared')
    await mkdir(data)
    await writeFile(join(data, 'of-theirs'), '')
    await chmod(data, 0o777)
    const node = await lab.make('shared', { offline: true })
    await expect(node.start()).rejects.toMatchObject(NO)
  })
})
