/** The script that runs the peer benchmark, as far as it goes without one: a forged benchmark measures nothing. */
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { checkout, requireBuild } from '../project/built.ts'
import { run } from '../project/run.ts'

const TIMEOUT_MS = 60_000

let folder = ''
beforeAll(requireBuild)
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shoal-bench-swarm-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('npm run bench:swarm', () => {
  const script = join(checkout, 'scripts/bench/swarm.mjs')
  const bench = (args: string[], env: NodeJS.ProcessEnv) =>
    run(process.execPath, [script, ...args], { cwd: folder, env, timeoutMs: TIMEOUT_MS })

  it('says what is missing and how to set it', async () => {
    const unset = await bench([], { PEERBENCH: '' })
    expect(unset).toMatchObject({ code: 1, stdout: '' })
    expect(unset.all).toMatch(/^bench: PEERBENCH is not set.* set it to the folder that holds peerbench\.py\n$/)
    const wrong = await bench([], { PEERBENCH: folder })
    expect(wrong).toMatchObject({ code: 1, stdout: '' })
    expect(wrong.all).toMatch(new RegExp(`^bench: no peerbench\\.py in ${folder}: .*\\n$`))
  })

  it('tells a wrong option from a machine that cannot', async () => {
    for (const args of [['--frobnicate'], ['-n', '4,few'], ['--repeat', '0'], ['--size', 'big']]) {
      expect(await bench(args, { PEERBENCH: folder }), args.join(' ')).toMatchObject({ code: 2, stdout: '' })
    }
  })

  const able = process.getuid?.() === 0 && ['ip', 'tc'].every(tool => spawnSync(tool, ['-V']).status === 0)
  const python = spawnSync('python3', ['--version']).status === 0

  /** A benchmark of the same face that measures nothing. */
  function forge(main: string[]): NodeJS.ProcessEnv {
    mkdirSync(join(folder, 'drivers'))
    const stub = (name: string, lines: string[]) => {
      writeFileSync(join(folder, 'drivers', name), ['#!/bin/sh', ...lines, ''].join('\n'))
      chmodSync(join(folder, 'drivers', name), 0o755)
    }
    stub('aria2', ['echo aria2 version 9'])
    stub('libtorrent', ['echo not installed >&2; exit 1'])
    stub('http', ['echo http version 9'])
    const head = ['import json, os, signal, sys, time', 'here = os.path.dirname(sys.argv[0])']
    writeFileSync(join(folder, 'peerbench.py'), [...head, ...main, ''].join('\n'))
    return { PEERBENCH: folder, PEER_DRIVERS: '', PEER_SHOAL_NODE: process.execPath }
  }

  it.runIf(able && python)('runs what is installed beside shoal, and compares', async () => {
    const env = forge([
      'open(here + "/args", "w").write(" ".join(sys.argv[1:]) + "\\n" + os.environ["PEER_DRIVERS"])',
      'for name, last in (("shoal", 12.0), ("aria2", 15.0)):',
      '    row = dict(driver=name, n=4, completed=4, verified="4/4", last_s=last, last_over_bound=last / 10)',
      '    print(json.dumps(dict(row, leechers_cpu_s=8.0)), file=sys.stderr)'
    ])
    const report = join(folder, 'report.json')
    const ended = await bench(['-n', '4', '--repeat', '1', '--json', report], env)
    expect(ended.code, ended.all).toBe(0)
    const [args, drivers] = readFileSync(join(folder, 'args'), 'utf8').split('\n')
    expect(args).toBe('swarm shoal aria2 --size 64M --repeat 1 --timeout 110 --up 50 --down 200 -n 4')
    expect(drivers).toBe(join(checkout, 'scripts/peerbench'))
    expect(ended.stdout).toContain('libtorrent is not installed and left out.')
    expect(ended.stdout).toMatch(/^shoal +4 +12\.0 +1\.20 .* 4\/4$/m)
    expect(ended.stdout).toMatch(/^aria2 +4 +15\.0 +1\.50 .* 4\/4 +0\.80$/m)
    expect(JSON.parse(readFileSync(report, 'utf8')).rows[1]).toMatchObject({ tool: 'aria2', ours: 0.8, leecherCpuS: 2 })
  })

  it.runIf(able && python)('fails where a run did not end right, and says why the benchmark did not', async () => {
    const env = forge(['print("no namespaces here", file=sys.stderr)', 'sys.exit(1)'])
    const ended = await bench(['-n', '4', '--repeat', '1', '--tools', 'shoal'], env)
    expect(ended.code).toBe(1)
    expect(ended.all).toContain('bench: the peer benchmark failed (1): no namespaces here')
    const missing = await bench(['--tools', 'libtorrent'], env)
    expect(missing.code).toBe(1)
    expect(missing.all).toMatch(/^bench: libtorrent does not run here.*\n$/)
  })

  it.runIf(able && python)('lets the benchmark clean up when it is told to stop', async () => {
    const env = forge([
      'def end(*_):',
      '    open(here + "/told", "w").close()',
      '    while not os.path.exists(here + "/told-again"): time.sleep(0.01)',
      '    open(here + "/cleaned", "a").write("once\\n")',
      '    sys.exit(1)',
      'signal.signal(signal.SIGTERM, end)',
      'print("started", file=sys.stderr, flush=True)',
      'time.sleep(60)'
    ])
    const child = spawn(process.execPath, [script, '--tools', 'shoal'], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe']
    })
    const ended = new Promise(resolve => child.once('close', resolve))
    await new Promise<void>(resolve => {
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        if (text.includes('started')) resolve()
      })
    })
    child.kill('SIGINT')
    while (!existsSync(join(folder, 'told'))) await sleep(10)
    child.kill('SIGTERM')
    writeFileSync(join(folder, 'told-again'), '')
    expect(await ended).toBe(143)
    expect(readFileSync(join(folder, 'cleaned'), 'utf8')).toBe('once\n')
  })
})
