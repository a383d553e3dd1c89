/** The proofs of the demo and the bench rest on scripts/lab, so that has tests of its own. */
import { spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { drawCast } from '../../scripts/lab/cast.mjs'
import { compareTrees } from '../../scripts/lab/compare.mjs'
import { formatTable, median } from '../../scripts/lab/format.mjs'
import { Lab } from '../../scripts/lab/lab.mjs'
import { Holdings } from '../../scripts/lab/pieces.mjs'

const lab = fileURLToPath(new URL('../../scripts/lab/', import.meta.url))

describe('compareTrees', () => {
  const big = Buffer.alloc(2_500_000, 'shoal')
  let folder = ''
  let left = ''
  let right = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'shoal-lab-test-'))
    left = join(folder, 'left')
    right = join(folder, 'right')
    for (const side of [left, right]) {
      mkdirSync(join(side, 'sub', 'empty folder'), { recursive: true })
      writeFileSync(join(side, 'big'), big)
      writeFileSync(join(side, 'sub', '.hidden'), 'x')
      writeFileSync(join(side, 'sub', 'empty'), '')
      symlinkSync('../big', join(side, 'sub', 'link'))
    }
  })

  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('counts what is the same', async () => {
    expect(await compareTrees(left, right)).toEqual({
      differences: [],
      files: 3,
      links: 1,
      folders: 3,
      bytes: 2_500_001
    })
    expect(await compareTrees(join(left, 'big'), join(right, 'big'))).toMatchObject({
      differences: [],
      bytes: 2_500_000
    })
  })

  it('sees one flipped bit, wherever it is', async () => {
    for (const at of [0, 1_048_575, 1_048_576, 2_499_999]) {
      const changed = Buffer.from(big)
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at)
      writeFileSync(join(right, 'big'), changed)
      expect((await compareTrees(left, right)).differences).toEqual([expect.stringMatching(/^big: differs within/)])
    }
  })

  it('sees a shorter and a longer file', async () => {
    for (const other of [big.subarray(0, -1), Buffer.concat([big, Buffer.alloc(1)]), big.subarray(0, 1_048_576)]) {
      writeFileSync(join(right, 'big'), other)
      expect((await compareTrees(left, right)).differences).toEqual([expect.stringMatching(/^big: differs in length/)])
    }
  })

  it.each([
    ['a missing file', () => unlinkSync(join(right, 'sub', 'empty')), 'sub/empty: missing'],
    [
      'a missing folder',
      () => rmSync(join(right, 'sub', 'empty folder'), { recursive: true }),
      'sub/empty folder: missing'
    ],
    ['a file too many', () => writeFileSync(join(right, 'more'), ''), 'more: not in the original'],
    ['a folder too many', () => mkdirSync(join(right, 'more')), 'more: not in the original'],
    [
      'another link',
      () => {
        unlinkSync(join(right, 'sub', 'link'))
        symlinkSync('../elsewhere', join(right, 'sub', 'link'))
      },
      'sub/link: links to another place'
    ],
    [
      'a link that became the file it leads to',
      () => {
        unlinkSync(join(right, 'sub', 'link'))
        writeFileSync(join(right, 'sub', 'link'), big)
      },
      'sub/link: link became file'
    ]
  ])('sees %s', async (_, change, difference) => {
    change()
    expect((await compareTrees(left, right)).differences).toEqual([difference])
  })

  it('sees that nothing is there', async () => {
    expect((await compareTrees(left, join(folder, 'nowhere'))).differences).toEqual(['.: folder became nothing'])
  })
})

describe('Holdings', () => {
  it('joins bitfields whose first piece is the highest bit', () => {
    const holdings = new Holdings()
    expect(holdings.complete).toBe(false)
    holdings.add(10, Buffer.from([0b1010_1010, 0b1000_0000]).toString('base64'))
    expect([holdings.held, holdings.complete]).toEqual([5, false])
    // Spare bits at the end are no pieces.
    holdings.add(10, Buffer.from([0b0101_0101, 0b0011_1111]).toString('base64'))
    expect([holdings.held, holdings.complete]).toEqual([9, false])
    holdings.add(10, Buffer.from([0, 0b0100_0000]).toString('base64'))
    expect([holdings.held, holdings.complete]).toEqual([10, true])
  })
})

describe('drawCast', () => {
  it('makes one network of nodes that are told of one other each, for every seed', () => {
    for (let seed = 0; seed < 500; seed++) {
      const { toldOf, fetchers, contact } = drawCast(seed, 8)
      for (let node = 2; node <= 8; node++)
        expect(toldOf[node]).toBeOneOf(Array.from({ length: node - 1 }, (_, i) => i + 1))
      expect(new Set([1, ...fetchers, contact]).size).toBe(5)
      expect(fetchers.every(node => node >= 2 && node <= 8) && contact >= 2 && contact <= 8).toBe(true)
    }
    expect(drawCast(7, 8)).toEqual(drawCast(7, 8))
  })
})

describe('formatTable and median', () => {
  it('line up', () => {
    expect(
      formatTable(
        ['who', 'size'],
        [
          ['me', '9 B'],
          ['you too', '10.5 kB']
        ]
      )
    ).toEqual(['who         size', '───────  ───────', 'me           9 B', 'you too  10.5 kB'])
    expect([median([3, 1, 2]), median([4, 1, 2, 3]), median([5])]).toEqual([2, 2.5, 5])
  })
})

describe('Lab', () => {
  /** A process that prints one JSON line, then stays until it is killed; it may refuse to stop when asked. */
  const stays = `console.log(JSON.stringify({ event: 'ready' })); setInterval(() => {}, 1e6);`
  const refuses = `process.on('SIGTERM', () => {}); ${stays}`
  /** A killed process whose new parent has not collected it yet is dead all the same. */
  const isAlive = (pid: number) => {
    try {
      process.kill(pid, 0)
      return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
    } catch (err) {
      return err instanceof Error && 'code' in err && err.code !== 'ESRCH' && !existsSync('/proc/self')
    }
  }

  it('ends what it started and removes its folder', async () => {
    const own = new Lab('shoal-lab-test')
    const program = own.run('it', process.execPath, ['-e', stays])
    expect((await program.event('ready')).event).toBe('ready')
    expect(own.alive).toEqual([program])
    await own.close()
    expect(own.alive).toEqual([])
    expect(isAlive(program.pid ?? 0)).toBe(false)
    expect(existsSync(own.folder)).toBe(false)
  })

  it('says what a process said when it ended too early', async () => {
    const own = new Lab('shoal-lab-test')
    try {
      const program = own.run('node 9', process.execPath, ['-e', `console.error('no luck'); process.exit(3)`])
      await expect(program.event('ready')).rejects.toThrow(/node 9 ended without "ready" \(code 3\):\n {4}no luck/)
      await expect(program.success()).rejects.toThrow(/node 9 failed \(code 3\)/)
      const missing = own.run('nothing', join(own.folder, 'nothing'), [])
      await expect(missing.event('ready')).rejects.toThrow(/ENOENT/)
    } finally {
      await own.close()
    }
  })

  /** @param graceMs how long it may refuse. `timeIsUp` is for the work to call: how long a process takes varies. */
  const script = (work: string, graceMs = 2000) => `
    import { Lab } from ${JSON.stringify(`${lab}lab.mjs`)}
    const lab = new Lab('shoal-lab-test', { graceMs: ${graceMs} })
    const { setTimeout: later } = globalThis
    let timeIsUp
    globalThis.setTimeout = (run, ms) => ms === 3000 ? void (timeIsUp = run) : later(run, ms)
    const ok = await lab.main({
      timeoutMs: 3000,
      onFailure: err => console.log(JSON.stringify({ failure: err.message })),
      work: async () => {
        const program = lab.run('it', process.execPath, ['-e', ${JSON.stringify(refuses)}])
        await program.event('ready')
        console.log(JSON.stringify({ folder: lab.folder, pid: program.pid }))
        ${work}
      }
    })
    console.log(JSON.stringify({ ok }))`

  /** @param isSudden the lab is gone in the moment in which it has sent SIGKILL, as after a second signal */
  async function play(work: string, signals: NodeJS.Signals[] = [], isSudden = signals.length > 1) {
    // what waits for a second signal is not done before it comes
    const program = script(work, isSudden ? 600_000 : undefined)
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'ignore']
    })
    const said: Record<string, unknown> = {}
    const lines = createInterface({ input: child.stdout })
    lines.on('line', line => {
      Object.assign(said, JSON.parse(line))
      if (line.includes('"pid"') || line.includes('"failure"')) child.kill(signals.shift() ?? 0)
    })
    const code = await new Promise(resolve => child.once('close', resolve))
    expect(said['pid']).toBeTypeOf('number')
    const itsProcess = () => isAlive(Number(said['pid']))
    if (isSudden) await vi.waitUntil(() => !itsProcess(), { timeout: 60_000 })
    expect(itsProcess(), 'its process').toBe(false)
    expect(existsSync(String(said['folder'])), 'its folder').toBe(false)
    return { code, failure: said['failure'], ok: said['ok'] }
  }
  const forever = `await new Promise(() => {})`

  it.concurrent('cleans up after a failure', async () => {
    expect(await play(`throw new Error('broken')`)).toEqual({ code: 1, failure: 'broken', ok: false })
  })
  it.concurrent('cleans up after a time-out', async () => {
    expect(await play(`timeIsUp(); ${forever}`)).toEqual({ code: 1, failure: 'not done after 3 s', ok: false })
  })
  it.concurrent('cleans up after SIGINT', async () => {
    expect(await play(forever, ['SIGINT'])).toEqual({ code: 130, failure: 'stopped by SIGINT', ok: false })
  })
  it.concurrent('does not wait after a second signal', async () => {
    // It never gets to say that it is done.
    expect(await play(forever, ['SIGTERM', 'SIGINT'])).toMatchObject({ code: 130, ok: undefined })
  })
  it.concurrent('cleans up after an exception that nobody awaited', async () => {
    const { code } = await play(`setTimeout(() => { throw new Error('stray') }); ${forever}`, [], true)
    expect(code).toBe(1)
  })
})
