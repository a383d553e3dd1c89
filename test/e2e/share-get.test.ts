import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readlinkSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Lab, LOOPBACK } from '../helpers/cli.ts'
import { keystream } from '../helpers/keystream.ts'
import { requireBuild } from '../project/built.ts'

let lab: Lab
beforeAll(requireBuild)
beforeEach(() => {
  lab = new Lab()
})
afterEach(async () => {
  await lab.close()
})

const sha = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex')

describe('share and get', () => {
  it('gets a file from a sharing process by its link, and exits', async () => {
    writeFileSync(lab.path('song.bin'), keystream(5_000_001, 'song'))
    const share = lab.cli(['share', 'song.bin', '--json', '--data-dir', lab.path('a'), '--listen', LOOPBACK])
    const shared = await share.event('shared')
    expect(shared).toMatchObject({ path: lab.path('song.bin'), size: 5_000_001, pieces: 5 })
    mkdirSync(lab.path('out'))
    const get = await lab.run(
      ['get', String(shared['link']), '--json', '--data-dir', lab.path('b'), '--listen', LOOPBACK],
      { cwd: lab.path('out') }
    )
    expect(get.code, get.stderr).toBe(0)
    expect(sha(lab.path('out/song.bin'))).toBe(sha(lab.path('song.bin')))
    expect(get.events.at(-1)).toMatchObject({
      event: 'done',
      cid: shared['cid'],
      path: lab.path('out/song.bin'),
      size: 5_000_001,
      fetched: 5_000_001,
      resumed: 0,
      peers: 1
    })
    expect(await share.stop('SIGINT')).toBe(0)
  })

  it('finds content through the DHT, knowing only a node that holds nothing', async () => {
    const hub = await lab.daemon('hub')
    const sharer = await lab.daemon('sharer', ['--peer', hub.addr])
    writeFileSync(lab.path('file.bin'), keystream(3_000_000, 'dht'))
    const share = await lab.run(['share', 'file.bin', '--json', '--data-dir', sharer.dataDir])
    expect(share.code, share.stderr).toBe(0)
    const cid = String(share.events[0]?.['cid'])
    const get = await lab.run([
      ...['get', cid, '-o', 'copy.bin', '--json', '--data-dir', lab.path('getter')],
      ...['--listen', LOOPBACK, '--peer', hub.addr]
    ])
    expect(get.code, get.stderr).toBe(0)
    expect(sha(lab.path('copy.bin'))).toBe(sha(lab.path('file.bin')))
    expect(await sharer.cli.stop()).toBe(0)
    expect(await hub.cli.stop('SIGINT')).toBe(0)
  })

  it('keeps a folder as it is: empty files and folders, unicode names, duplicates, relative links', async () => {
    const folder = lab.path('folder')
    mkdirSync(`${folder}/empty folder`, { recursive: true })
    mkdirSync(`${folder}/naïve/日本`, { recursive: true })
    writeFileSync(`${folder}/empty`, '')
    writeFileSync(`${folder}/.hidden`, 'h')
    writeFileSync(`${folder}/naïve/日本/🐟.txt`, 'fish')
    const twice = keystream(2_100_000, 'twice')
    writeFileSync(`${folder}/one.bin`, twice)
    writeFileSync(`${folder}/naïve/two.bin`, twice)
    symlinkSync('../one.bin', `${folder}/naïve/link`)
    symlinkSync('/etc/passwd', `${folder}/outside`)
    const share = lab.cli(['share', 'folder', '--json', '--data-dir', lab.path('a'), '--listen', LOOPBACK])
    const link = String((await share.event('shared'))['link'])
    const get = await lab.run([
      ...['get', link, '-o', 'copy', '--json', '--data-dir', lab.path('b')],
      ...['--listen', LOOPBACK]
    ])
    expect(get.code, get.stderr).toBe(0)
    const copy = lab.path('copy')
    expect(statSync(`${copy}/empty folder`).isDirectory()).toBe(true)
    expect(statSync(`${copy}/empty`).size).toBe(0)
    expect(readFileSync(`${copy}/.hidden`, 'utf8')).toBe('h')
    expect(readFileSync(`${copy}/naïve/日本/🐟.txt`, 'utf8')).toBe('fish')
    expect(sha(`${copy}/one.bin`)).toBe(sha(`${folder}/one.bin`))
    expect(sha(`${copy}/naïve/two.bin`)).toBe(sha(`${folder}/one.bin`))
    expect(readlinkSync(`${copy}/naïve/link`)).toBe('../one.bin')
    expect(existsSync(`${copy}/outside`)).toBe(false)
    expect(get.stderr).toContain('outside')
    // the copy is the same content
    const again = await lab.run(['hash', 'folder', '--json'])
    expect(link).toContain(String(again.events[0]?.['cid']))
  })

  it('continues after the sharer vanished in the middle, from the one that remains, and says what was resumed', async () => {
    writeFileSync(lab.path('big.bin'), keystream(40_000_000, 'big'))
    const first = lab.cli([
      ...['share', 'big.bin', '--json', '--data-dir', lab.path('a'), '--listen', LOOPBACK],
      ...['--up', '8M']
    ])
    const link = String((await first.event('shared'))['link'])
    const args = ['get', link, '-o', 'copy.bin', '--json', '--data-dir', lab.path('b'), '--listen', LOOPBACK]
    const get = lab.cli([...args, '--timeout', '8'])
    await get.event('progress', 60_000, event => Number(event['have']) > 5_000_000)
    await first.stop('SIGKILL')
    expect(await get.exited).toBe(3)
    expect(get.events.at(-1)).toMatchObject({ event: 'error' })
    expect(existsSync(lab.path('copy.bin'))).toBe(false)
    const second = lab.cli(['share', 'big.bin', '--json', '--data-dir', lab.path('c'), '--listen', LOOPBACK])
    const link2 = String((await second.event('shared'))['link'])
    const rest = await lab.run(['get', link2, ...args.slice(2)])
    expect(rest.code, rest.stderr).toBe(0)
    const done = rest.events.at(-1)
    expect(Number(done?.['resumed'])).toBeGreaterThan(5_000_000)
    expect(Number(done?.['fetched']) + Number(done?.['resumed'])).toBe(40_000_000)
    expect(sha(lab.path('copy.bin'))).toBe(sha(lab.path('big.bin')))
  })

  it('seeds after a restart what share and get left in the data folder', async () => {
    writeFileSync(lab.path('file.bin'), keystream(2_000_000, 'restart'))
    const share = await lab.run(['share', 'file.bin', '--no-seed', '--json', '--data-dir', lab.path('a')])
    expect(share.code, share.stderr).toBe(0)
    const cid = String(share.events[0]?.['cid'])
    const daemon = await lab.daemon('a')
    const get = await lab.run([
      ...['get', cid, '-o', 'copy.bin', '--json', '--data-dir', lab.path('b')],
      ...['--listen', LOOPBACK, '--peer', daemon.addr]
    ])
    expect(get.code, get.stderr).toBe(0)
    await daemon.cli.stop()
    const copy = await lab.daemon('b')
    const third = await lab.run([
      ...['get', cid, '-o', 'third.bin', '--json', '--data-dir', lab.path('c')],
      ...['--listen', LOOPBACK, '--peer', copy.addr]
    ])
    expect(third.code, third.stderr).toBe(0)
    expect(sha(lab.path('third.bin'))).toBe(sha(lab.path('file.bin')))
  })
})
