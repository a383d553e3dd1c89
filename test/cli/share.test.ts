import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ShoalError } from '../../src/base/errors.ts'
import { CliLab } from '../helpers/cli-io.ts'
import { CID_A } from '../helpers/fake-node.ts'

let lab: CliLab
beforeEach(() => {
  lab = new CliLab()
  for (const name of ['a.bin', 'b.bin']) writeFileSync(join(lab.dir, name), name)
})
afterEach(() => lab.close())

const sharedEvent = (name: string) => ({
  event: 'shared',
  cid: CID_A,
  link: `shoal:${CID_A}?name=${name}`,
  path: join(lab.dir, name),
  size: 97_400_000,
  pieces: 93
})

describe('without a node', () => {
  test('shares, announces, seeds until a signal', async () => {
    const share = lab.start(['share', 'a.bin', '--json'])
    await share.stdout.has('announced')
    expect(share.stdout.events).toEqual([sharedEvent('a.bin'), { event: 'announced', cid: CID_A, nodes: 3 }])
    expect(lab.made).toMatchObject([{ dataDir: lab.dataDir, dht: 'server' }])
    expect((await lab.run(['status', '--json'])).stdout.events).toMatchObject([{ mode: 'share' }])
    await expect.poll(() => share.interrupt.exitCode).toBe(0)
    share.interrupt.fire()
    expect(await share.code).toBe(0)
    expect(lab.node.stops).toBe(1)
    expect(share.stderr.text).toBe('')
  })

  test('says so to a reader', async () => {
    const share = lab.start(['share', 'a.bin'])
    await share.stderr.has('announced a.bin to 3 nodes\n')
    await share.stderr.has('seeding until stopped with Ctrl-C\n')
    share.interrupt.fire()
    await share.code
    expect(share.stdout.lines).toEqual([
      `shared ${lab.dir}/a.bin: 97.4 MB, 93 pieces`,
      `  ${CID_A}`,
      `  shoal:${CID_A}?name=a.bin`
    ])
    expect(share.stderr.text).toContain('500 MB sent\n')
  })

  test('--quiet prints the link alone', async () => {
    const share = await lab.run(['share', '--no-seed', '--quiet', 'a.bin'])
    expect(share).toMatchObject({ code: 0, stdout: { text: `shoal:${CID_A}?name=a.bin\n` }, stderr: { text: '' } })
  })

  test('--no-seed needs no network and exits', async () => {
    const share = await lab.run(['share', '--no-seed', 'a.bin', '--json'])
    expect(share).toMatchObject({ code: 0 })
    expect(share.stdout.events).toEqual([sharedEvent('a.bin')])
    expect(lab.made).toMatchObject([{ offline: true }])
  })

  test('limits are those of its node, else of what is shared for the next one', async () => {
    lab.env = { ...lab.env, SHOAL_UP: '5M', SHOAL_DOWN: 'none' }
    const share = lab.start(['share', 'a.bin', '--up', '1M'])
    await share.stderr.has('seeding until')
    share.interrupt.fire()
    await share.code
    expect(lab.made.at(-1)).toMatchObject({ up: 1_000_000, down: null })
    expect(lab.node.calls.at(-1)?.args).not.toContainEqual({ up: 1_000_000 })
    await lab.run(['share', '--no-seed', 'a.bin', '--up', '1M'])
    expect(lab.made.at(-1)).not.toHaveProperty('up')
    expect(lab.node.calls.findLast(call => call.method === 'share')?.args).toEqual([
      join(lab.dir, 'a.bin'),
      true,
      { up: 1_000_000 }
    ])
    lab.env = { ...lab.env, SHOAL_UP: 'fast' }
    expect(await lab.run(['ls'])).toMatchObject({
      code: 2,
      stderr: {
        text: 'shoal: SHOAL_UP: not a rate: "fast"; give bytes a second, such as 500K, 1.5M or 2G, or none for no limit\n'
      }
    })
  })

  test('SHOAL_ENCRYPTION is for a node of its own, and nonsense in it a usage error', async () => {
    lab.env = { ...lab.env, SHOAL_ENCRYPTION: 'noise,tls' }
    const share = lab.start(['share', 'a.bin'])
    await share.stderr.has('seeding until')
    share.interrupt.fire()
    await share.code
    expect(lab.made.at(-1)).toMatchObject({ encryption: ['noise', 'tls'] })
    lab.env = { ...lab.env, SHOAL_ENCRYPTION: 'none' }
    expect(await lab.run(['ls'])).toMatchObject({
      code: 2,
      stderr: { text: expect.stringContaining('SHOAL_ENCRYPTION: not a list of encryptions: "none"; name tls, noise') }
    })
  })

  test('limits go with what is handed over, and the environment does not', async () => {
    const node = await lab.serve()
    lab.env = { ...lab.env, SHOAL_DOWN: '1K' }
    expect(await lab.run(['share', 'a.bin', '--up', 'none', '--quiet'])).toMatchObject({
      code: 0,
      stderr: { text: '' }
    })
    expect(node.calls.at(-1)).toEqual({ method: 'share', args: [join(lab.dir, 'a.bin'), true, { up: null }] })
  })

  test('uploads are told in a line that is rewritten', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    try {
      const share = lab.start(['share', 'a.bin'], { columns: 80 })
      await share.stderr.has('seeding until')
      vi.advanceTimersByTime(1_000)
      await share.stderr.has('\r\u001b[Kseeding 0 roots to 5 peers: 1.20 MB/s, 500 MB sent')
      share.interrupt.fire()
      expect(await share.code).toBe(0)
    } finally {
      vi.useRealTimers()
    }
  })

  test('an interrupt while hashing is one', async () => {
    lab.node.gates['share'] = new Promise(() => {})
    const share = lab.start(['share', 'a.bin'])
    await lab.node.wasAsked('share')
    expect(share.interrupt.exitCode).toBe(130)
    share.interrupt.fire()
    expect(await share.code).toBe(130)
    expect(share.stderr.text).toBe('shoal: interrupted\n')
  })

  test('an announcement that pends does not keep it from ending', async () => {
    lab.node.gates['announced'] = new Promise(() => {})
    const share = lab.start(['share', 'a.bin', '--json'])
    await lab.node.wasAsked('announced')
    await expect.poll(() => share.interrupt.exitCode).toBe(0)
    share.interrupt.fire()
    expect(await share.code).toBe(0)
    expect(share.stdout.events).toEqual([sharedEvent('a.bin')])
  })

  test('--no-hidden is handed on', async () => {
    await lab.run(['share', '--no-seed', '--no-hidden', 'a.bin'])
    await lab.run(['share', '--no-seed', 'a.bin'])
    expect(lab.node.calls.filter(call => call.method === 'share').map(call => call.args[1])).toEqual([false, true])
  })
})

describe('with a node', () => {
  test('hands over, with absolute paths, and exits', async () => {
    const node = await lab.serve()
    const share = await lab.run(['share', './a.bin', 'b.bin', '--json'])
    expect(share).toMatchObject({ code: 0, stderr: { text: '' } })
    expect(share.stdout.events).toEqual([sharedEvent('a.bin'), sharedEvent('b.bin')])
    expect(node.calls.map(call => call.args[0])).toEqual([join(lab.dir, 'a.bin'), join(lab.dir, 'b.bin')])
    expect(lab.made).toEqual([])
  })

  test('is told when that node ends soon, or cannot', async () => {
    await lab.serve('get')
    expect((await lab.run(['share', 'a.bin'])).stderr.text).toContain('which ends when it is done')
    await lab.stopServing()
    await lab.serve('offline')
    expect(await lab.run(['share', 'a.bin'])).toMatchObject({ code: 1, stdout: { text: '' } })
  })
})

describe('several paths', () => {
  test('a failing one is told, the others go on, the first failure is the exit code', async () => {
    const share = await lab.run(['share', '--no-seed', '--json', 'absent', 'a.bin', 'b.bin'])
    expect(share.code).toBe(1)
    expect(share.stdout.events).toEqual([
      { event: 'error', code: 'ERR_PATH_NOT_FOUND', message: expect.stringContaining('absent') },
      sharedEvent('a.bin'),
      sharedEvent('b.bin')
    ])
  })

  test('a failure of the node counts the same', async () => {
    lab.node.failures['share'] = new ShoalError('ERR_NO_SPACE', 'no space')
    const share = await lab.run(['share', '--json', 'a.bin', 'absent'])
    // Nothing is shared, so nothing stays to be seeded.
    expect(share.code).toBe(1)
    expect(share.stdout.events.map(event => event['code'])).toEqual(['ERR_PATH_NOT_FOUND', 'ERR_NO_SPACE'])
  })
})

describe('local checks come before any network', () => {
  afterEach(() => expect(lab.made).toEqual([]))

  test('a path that does not exist', async () => {
    expect(await lab.run(['share', 'absent'])).toMatchObject({
      code: 1,
      stdout: { text: '' },
      stderr: { text: `shoal: no such file or folder: ${lab.dir}/absent; check the path\n` }
    })
  })

  test('a FIFO is never opened', async () => {
    execFileSync('mkfifo', [join(lab.dir, 'fifo')])
    const share = await lab.run(['share', '--json', 'fifo'])
    expect(share.code).toBe(1)
    expect(share.stdout.events).toMatchObject([{ code: 'ERR_NOT_FILE_OR_FOLDER' }])
  })

  test('the data folder and what is in it', async () => {
    mkdirSync(lab.dataDir)
    writeFileSync(join(lab.dataDir, 'key'), 'secret')
    const share = await lab.run(['share', 'data', 'data/key', '--json'])
    expect(share.code).toBe(2)
    expect(share.stdout.events).toMatchObject([
      { code: 'ERR_USAGE', message: `${lab.dataDir} is this node's data folder` },
      { code: 'ERR_USAGE', message: `${lab.dataDir}/key is in this node's data folder` }
    ])
  })

  test('a device', async () => {
    expect((await lab.run(['share', '/dev/null'])).code).toBe(1)
  })

  test.skipIf(process.getuid?.() === 0)('what cannot be read', async () => {
    mkdirSync(join(lab.dir, 'locked'))
    chmodSync(join(lab.dir, 'locked'), 0)
    expect((await lab.run(['share', 'locked'])).code).toBe(5)
  })
})
