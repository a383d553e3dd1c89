/** Real disks that fill up, vanish and change under the real program. Mounting needs root. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { afterEach, beforeAll, beforeEach, describe, expect, it, type TestContext, vi } from 'vitest'
import { type Cli, Lab, LOOPBACK } from '../helpers/cli.ts'
import { keystream } from '../helpers/keystream.ts'
import { requireBuild } from '../project/built.ts'

let lab: Lab
const mounts: string[] = []
beforeAll(requireBuild)
beforeEach(() => {
  lab = new Lab()
})
afterEach(async () => {
  for (const at of mounts.splice(0).reverse()) umount(at)
  await lab.close()
})

/** A small file system of its own; skips the test where none can be mounted. */
function smallDisk(context: TestContext, name: string, sizeBytes: number): string {
  const at = lab.path(name)
  mkdirSync(at)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', at], { stdio: 'ignore' })
  } catch {
    context.skip('needs root and leave to mount a tmpfs')
  }
  mounts.push(at)
  return at
}

/** The same file system at another place, which can be taken away and given back like a drive. */
function attach(drive: string, at: string): void {
  mkdirSync(at, { recursive: true })
  execFileSync('mount', ['--bind', drive, at])
  mounts.push(at)
}

function umount(at: string): void {
  execFileSync('umount', ['--lazy', at])
}

function detach(at: string): void {
  umount(at)
  mounts.splice(mounts.indexOf(at), 1)
}

function usedBytes(disk: string): number {
  const { blocks, bfree, bsize } = statfsSync(disk)
  return (blocks - bfree) * bsize
}

const sha = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex')

/** A seeding share of a file of that many bytes, or of a folder with files `a`, `b`, …. */
async function seed(name: string, sizes: readonly number[], limit?: string): Promise<{ share: Cli; link: string }> {
  if (sizes.length === 1) writeFileSync(lab.path(name), keystream(sizes[0] ?? 0, name))
  else {
    mkdirSync(lab.path(name))
    for (const [i, size] of sizes.entries()) {
      writeFileSync(lab.path(name, String.fromCharCode(97 + i)), keystream(size, `${name} ${i}`))
    }
  }
  return await seedPath(lab.path(name), limit)
}

async function seedPath(path: string, limit?: string): Promise<{ share: Cli; link: string }> {
  const args = ['share', path, '--json', '--data-dir', lab.path('seeder'), '--listen', LOOPBACK]
  const share = lab.cli([...args, ...(limit === undefined ? [] : ['--up', limit])])
  return { share, link: String((await share.event('shared'))['link']) }
}

const getArgs = (link: string, to: string, more: readonly string[] = []) => [
  ...['get', link, '-o', to, '--json', '--data-dir', lab.path('getter'), '--listen', LOOPBACK],
  ...more
]

describe('a fetch', () => {
  it('whose disk fills up waits, says why, also to a second terminal, and goes on when there is space', async context => {
    const disk = smallDisk(context, 'disk', 12_000_000)
    const { link } = await seed('file.bin', [10_000_000], '4M')
    const get = lab.cli(getArgs(link, `${disk}/file.bin`))
    await get.event('progress', 60_000, event => Number(event['have']) > 1_000_000)
    fill(disk)
    const paused = await get.event('paused')
    expect(paused).toMatchObject({
      code: 'ERR_NO_SPACE',
      message: expect.stringContaining(`no space left for ${disk}`)
    })
    const ls = await lab.run(['ls', '--json', '--data-dir', lab.path('getter')])
    expect(ls.events[0]).toMatchObject({ event: 'root', state: 'paused', problem: paused['message'] })
    const status = await lab.run(['status', '--data-dir', lab.path('getter')])
    expect(status.stdout).toContain('paused')
    const warning = `shoal: warning: paused: ${paused['message']}; it goes on by itself`
    await get.until('the warning beside the event', () => get.stderr.includes(warning) || undefined)
    rmSync(`${disk}/hog`)
    await get.event('resumed')
    expect(await get.exited, get.stderr).toBe(0)
    expect(sha(`${disk}/file.bin`)).toBe(sha(lab.path('file.bin')))
  })

  it('says in plain lines as well that it waits for the disk, and that it goes on', async context => {
    const disk = smallDisk(context, 'disk', 12_000_000)
    const { link } = await seed('file.bin', [10_000_000], '4M')
    const get = lab.cli(getArgs(link, `${disk}/file.bin`).filter(arg => arg !== '--json'))
    await vi.waitFor(() => expect(usedBytes(disk), get.stderr).toBeGreaterThan(1_000_000), { timeout: 30_000 })
    fill(disk)
    const isToldOnce = (line: RegExp) => get.stderr.match(line)?.length === 1 || undefined
    const paused = /^shoal: warning: paused: no space left for .*; it goes on by itself when that is mended$/gm
    await get.until('a word that it is paused', () => isToldOnce(paused))
    expect(get.stderr).not.toContain('going on')
    rmSync(`${disk}/hog`)
    await get.until('a word that it goes on', () => isToldOnce(/^the disk works again, going on$/gm))
    expect(await get.exited, get.stderr).toBe(0)
    expect(get.stderr.match(paused)).toHaveLength(1)
    expect(sha(`${disk}/file.bin`)).toBe(sha(lab.path('file.bin')))
  })

  it('whose disk stays full ends with code 5, and continues later', async context => {
    const disk = smallDisk(context, 'disk', 12_000_000)
    const { link } = await seed('file.bin', [10_000_000], '4M')
    const get = lab.cli(getArgs(link, `${disk}/file.bin`, ['--timeout', '8']))
    await get.event('progress', 60_000, event => Number(event['have']) > 1_000_000)
    fill(disk)
    expect(await get.exited).toBe(5)
    expect(get.events.at(-1)).toMatchObject({ event: 'error', code: 'ERR_NO_SPACE' })
    expect(get.stderr).toContain('free some space and run the same command again')
    rmSync(`${disk}/hog`)
    const again = await lab.run(getArgs(link, `${disk}/file.bin`))
    expect(again.code, again.stderr).toBe(0)
    expect(Number(again.events.at(-1)?.['resumed'])).toBeGreaterThan(1_000_000)
    expect(sha(`${disk}/file.bin`)).toBe(sha(lab.path('file.bin')))
  })

  it('whose drive is pulled out waits, makes nothing in its place, and goes on when it is back', async context => {
    const drive = smallDisk(context, 'drive', 30_000_000)
    const usb = lab.path('usb')
    attach(drive, usb)
    const sizes = new Array(10).fill(1_000_000)
    const { link } = await seed('folder', sizes, '2M')
    const get = lab.cli(getArgs(link, `${usb}/folder`))
    await get.event('progress', 60_000, event => Number(event['have']) > 1_000_000)
    detach(usb)
    expect(await get.event('paused')).toMatchObject({
      code: 'ERR_IO',
      message: expect.stringMatching(/^the drive that .*folder.* was on is gone$/)
    })
    expect(existsSync(`${usb}/folder`)).toBe(false)
    attach(drive, usb)
    await get.event('resumed')
    expect(await get.exited, get.stderr).toBe(0)
    for (const [i] of sizes.entries()) {
      const name = String.fromCharCode(97 + i)
      expect(sha(`${usb}/folder/${name}`)).toBe(sha(lab.path('folder', name)))
    }
  })

  it('whose data folder fills up waits, and loses no record', async context => {
    const disk = smallDisk(context, 'getter', 4_000_000)
    const { link } = await seed('file.bin', [20_000_000], '4M')
    const get = lab.cli(getArgs(link, lab.path('copy.bin')))
    await get.event('progress', 60_000, event => Number(event['have']) > 1_000_000)
    // What LevelDB has allocated of its log is used up by and by: only a write that needs a new page fails.
    fill(disk)
    const ended = await Promise.race([get.event('paused').then(() => undefined), get.exited])
    rmSync(`${disk}/hog`)
    expect(ended === undefined ? await get.exited : ended, get.stderr).toBe(0)
    expect(sha(lab.path('copy.bin'))).toBe(sha(lab.path('file.bin')))
    const verified = await lab.run(['verify', link, '--json', '--data-dir', disk])
    expect(verified.events.at(-1), verified.stderr).toMatchObject({ event: 'verified', bad: [] })
  })

  it('to a read-only disk is refused with code 5 before any network', async context => {
    const disk = smallDisk(context, 'disk', 12_000_000)
    execFileSync('mount', ['-o', 'remount,ro', disk])
    const { link } = await seed('file.bin', [3_000_000])
    const get = await lab.run(getArgs(link, `${disk}/file.bin`))
    expect(get.code, get.stderr).toBe(5)
    expect(get.stderr).toContain('read-only file system')
  })
})

describe('a seeder', () => {
  it.each([
    ['changed', (path: string) => writeAt(path, 2_500_000)],
    ['shortened', (path: string) => truncateSync(path, 1_200_000)],
    ['extended', (path: string) => appendFileSync(path, 'more')],
    [
      'replaced',
      (path: string) => {
        writeFileSync(`${path}+`, keystream(4_000_000, 'another'))
        renameSync(`${path}+`, path)
      }
    ],
    ['deleted', (path: string) => rmSync(path)]
  ])('under which a file is %s gives no bad byte, withdraws it, and names it', async (what, change) => {
    // So slow that it tells its progress more than once, on a busy machine too.
    const { share, link } = await seed('file.bin', [4_000_000], '1M')
    const right = readFileSync(lab.path('file.bin'))
    const get = lab.cli(getArgs(link, lab.path('copy.bin'), ['--timeout', what === 'extended' ? '30' : '8']))
    await get.event('progress', 60_000, event => Number(event['have']) > 0)
    change(lab.path('file.bin'))
    const code = await get.exited
    if (what === 'extended') expect(code, get.stderr).toBe(0)
    if (code === 0) expect(readFileSync(lab.path('copy.bin')).equals(right)).toBe(true)
    else {
      expect([3, 4], get.stderr).toContain(code)
      expect(existsSync(lab.path('copy.bin'))).toBe(false)
    }
    // What the fetch did not come to ask for is found by a look at the files.
    const args = ['--json', '--data-dir', lab.path('seeder')]
    const verified = await lab.run(['verify', link, ...args])
    if (what === 'extended') expect(verified.events.at(-1)).toMatchObject({ bad: [] })
    else {
      expect(JSON.stringify(verified.events.at(-1))).toContain('file.bin')
      const [root] = (await lab.run(['ls', ...args])).events
      expect(root).toMatchObject({ state: 'damaged', problem: expect.stringContaining(lab.path('file.bin')) })
      expect(Number(root?.['have'])).toBeLessThan(4_000_000)
    }
    expect(await share.stop()).toBe(0)
  })

  it('whose drive is pulled out withdraws what was on it, and takes it back', async context => {
    const drive = smallDisk(context, 'drive', 30_000_000)
    const usb = lab.path('usb')
    writeFileSync(`${drive}/file.bin`, keystream(3_000_000, 'usb'))
    attach(drive, usb)
    const { share, link } = await seedPath(`${usb}/file.bin`)
    detach(usb)
    const get = await lab.run(getArgs(link, lab.path('copy.bin'), ['--timeout', '8']))
    expect(get.code, get.stderr).toBe(3)
    const args = ['--json', '--data-dir', lab.path('seeder')]
    const gone = (await lab.run(['ls', ...args])).events[0]
    expect(gone).toMatchObject({ state: 'damaged', have: 0, problem: expect.stringContaining(`${usb}/file.bin`) })
    attach(drive, usb)
    await lab.run(['verify', link, ...args])
    expect((await lab.run(['ls', ...args])).events[0]).toMatchObject({
      state: 'seeding',
      have: 3_000_000
    })
    const again = await lab.run(getArgs(link, lab.path('copy.bin')))
    expect(again.code, again.stderr).toBe(0)
    expect(await share.stop()).toBe(0)
  })
})

/** Writes until nothing more fits. */
function fill(disk: string): void {
  const some = Buffer.alloc(65_536)
  try {
    for (;;) appendFileSync(`${disk}/hog`, some)
  } catch (err) {
    expect((err as NodeJS.ErrnoException).code).toBe('ENOSPC')
  }
}

function writeAt(path: string, position: number): void {
  const bytes = readFileSync(path)
  bytes.fill(0x55, position, position + 1000)
  writeFileSync(path, bytes)
}
