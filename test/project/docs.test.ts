/** What the documentation shows is run, in the order it is shown. Everything stays on 127.0.0.1. */
import { type ChildProcess, spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkout, requireBuild } from './built.ts'
import { anchorsIn, linksIn, type MarkedFence, markedFences, outputMatches } from './markdown.ts'
import { run, succeed } from './run.ts'

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'SECURITY.md',
  ...readdirSync(`${checkout}/docs`).map(name => `docs/${name}`)
]
const read = (page: string) => readFileSync(`${checkout}/${page}`, 'utf8')

describe('links', () => {
  it.each(pages)('of %s lead somewhere', page => {
    const broken = linksIn(read(page)).filter(link => {
      if (/^https:\/\//.test(link)) return false
      const [path = '', anchor] = link.split('#')
      const target = path === '' ? page : join(dirname(page), path)
      if (!existsSync(`${checkout}/${target}`)) return true
      return anchor !== undefined && !anchorsIn(read(target)).includes(anchor)
    })
    expect(broken).toEqual([])
  })
})

describe('the reading of marks', () => {
  it('finds marked fences only', () => {
    const page = '```sh\nfalse\n```\n\n<!-- test -->\n```sh\ntrue\ntrue\n```\n\n<!-- output -->\n```text\na … b\n```\n'
    expect(markedFences(page)).toEqual([
      { kind: 'test', language: 'sh', text: 'true\ntrue', line: 7 },
      { kind: 'output', language: 'text', text: 'a … b', line: 13 }
    ])
    expect(() => markedFences('<!-- test -->\n\n```sh\ntrue\n```')).toThrow(/no fence/)
    expect(() => markedFences('<!-- tests -->\n```sh\ntrue\n```')).toThrow(/not a mark/)
  })

  it('compares outputs line by line', () => {
    expect(outputMatches('a … b\nc', 'a 17 b\nc\n')).toBe(true)
    expect(outputMatches('a … b\nc', 'a 17 b\nd\nc\n')).toBe(false)
    expect(outputMatches('a\n…\nc', 'a\nb\nb\nc')).toBe(true)
    expect(outputMatches('a.c', 'abc')).toBe(false)
    expect(outputMatches('a', 'a\nb')).toBe(false)
  })
})

describe.each(['README.md'])('%s', page => {
  const fences = markedFences(read(page))
  let folder = ''
  let env: NodeJS.ProcessEnv = {}
  const daemons: ChildProcess[] = []

  beforeAll(() => {
    requireBuild()
    folder = mkdtempSync(join(tmpdir(), 'shoal-docs-'))
    mkdirSync(join(folder, 'bin'))
    mkdirSync(join(folder, 'work'))
    // `shoal` as installed, but a node that starts listens on loopback alone. Who hands over to one that runs need not.
    const shim = `#!/bin/sh
case "$*" in
  *--listen* | *--help* | *--version*) ;;
  daemon* | *--data-dir*) set -- "$@" --listen /ip4/127.0.0.1/tcp/0 ;;
esac
exec '${process.execPath}' '${checkout}/dist/cli/main.js' "$@"
`
    writeFileSync(join(folder, 'bin', 'shoal'), shim, { mode: 0o755 })
    env = {
      PATH: `${join(folder, 'bin')}${delimiter}${process.env['PATH']}`,
      SHOAL_DATA_DIR: join(folder, 'data'),
      NO_COLOR: '1'
    }
  })
  afterAll(async () => {
    for (const daemon of daemons) {
      if (daemon.exitCode !== null || daemon.signalCode !== null) continue
      const gone = new Promise(resolve => daemon.once('close', resolve))
      daemon.kill('SIGTERM')
      await Promise.race([gone, sleep(5000)])
      daemon.kill('SIGKILL')
    }
    rmSync(folder, { recursive: true, force: true })
  })

  it('shows something to run', () => {
    expect(fences.filter(({ language }) => language === 'sh').length).toBeGreaterThanOrEqual(5)
    expect(fences.filter(({ language }) => language === 'ts').length).toBeGreaterThanOrEqual(1)
  })

  for (const [index, fence] of fences.entries()) {
    if (fence.kind === 'output') continue
    const next = fences[index + 1]
    const output = next?.kind === 'output' ? next : undefined
    it(`line ${fence.line}: ${fence.text.split('\n')[0]}`, async () => {
      const said = await play(fence)
      if (output !== undefined && !outputMatches(output.text, said)) {
        throw new Error(`line ${output.line} shows\n${output.text}\n\nbut this came\n${said}`)
      }
    })
  }

  function play(fence: MarkedFence): Promise<string> {
    if (fence.kind === 'daemon') return startDaemon(fence.text)
    return fence.language === 'ts' ? runSnippet(fence.text) : runCommands(fence.text)
  }

  async function runCommands(text: string): Promise<string> {
    const options = { cwd: join(folder, 'work'), env, timeoutMs: 150_000 }
    const { code, stdout, all } = await run('bash', ['-euo', 'pipefail', '-c', text], options)
    if (code !== 0) throw new Error(`ended with code ${code}:\n${all}`)
    return stdout
  }

  /** Resolves when it answers `shoal status`, with what it printed so far. */
  async function startDaemon(command: string): Promise<string> {
    const daemon = spawn('bash', ['-c', `exec ${command}`], {
      cwd: join(folder, 'work'),
      env: { ...process.env, ...env }
    })
    daemons.push(daemon)
    let said = ''
    const listen = (text: Buffer) => {
      said += text
    }
    daemon.stdout.on('data', listen)
    daemon.stderr.on('data', listen)
    const dataDir = /--data-dir (\S+)/.exec(command)?.[1] ?? join(folder, 'data')
    for (let attempt = 0; attempt < 100; attempt++) {
      if (daemon.exitCode !== null) throw new Error(`ended with code ${daemon.exitCode}:\n${said}`)
      const options = { cwd: join(folder, 'work'), env, timeoutMs: 60_000 }
      if ((await run('shoal', ['status', '--data-dir', dataDir], options)).code === 0) return said
      await sleep(100)
    }
    throw new Error(`did not get ready:\n${said}`)
  }

  /** Type-checks it as a strict program that has shoal installed, then runs it. */
  async function runSnippet(text: string): Promise<string> {
    const project = join(folder, 'work')
    mkdirSync(join(project, 'node_modules'), { recursive: true })
    if (!existsSync(join(project, 'node_modules/shoal'))) symlinkSync(checkout, join(project, 'node_modules/shoal'))
    writeFileSync(join(project, 'package.json'), JSON.stringify({ type: 'module', private: true }))
    writeFileSync(join(project, 'snippet.ts'), text)
    writeFileSync(
      join(project, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          ...{ target: 'ES2023', module: 'NodeNext', moduleResolution: 'NodeNext', strict: true, skipLibCheck: true },
          ...{ types: ['node'], typeRoots: [`${checkout}/node_modules/@types`], noUnusedLocals: true }
        },
        files: ['snippet.ts']
      })
    )
    const options = { cwd: project, env, timeoutMs: 150_000 }
    await succeed(process.execPath, [`${checkout}/node_modules/typescript/bin/tsc`, '-p', '.'], options)
    expect(statSync(join(project, 'snippet.js')).size).toBeGreaterThan(0)
    return succeed(process.execPath, ['snippet.js'], options)
  }
})
