/** The real program in processes of its own, on loopback, for end-to-end tests. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkout } from '../project/built.ts'

export interface CliEvent {
  event: string
  [key: string]: unknown
}

const PROGRAM = join(checkout, 'dist/cli/main.js')
export const LOOPBACK = '/ip4/127.0.0.1/tcp/0'

/** A running command. */
export class Cli {
  readonly child: ChildProcess
  readonly events: CliEvent[] = []
  stdout = ''
  stderr = ''
  readonly exited: Promise<number | null>
  #signal: NodeJS.Signals | null = null
  #rest = ''
  #waiters = new Set<() => void>()
  #closed = false

  constructor(args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
    this.child = spawn(process.execPath, [PROGRAM, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: options.cwd,
      env: { ...process.env, ...options.env }
    })
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#out(text))
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
      this.#wake()
    })
    this.exited = new Promise(resolve => {
      this.child.once('close', (code, signal) => {
        this.#closed = true
        this.#signal = signal
        this.#wake()
        resolve(code)
      })
    })
  }

  /** The next or an earlier event of that name; fails when the process ends or `ms` pass without it. */
  async event(name: string, ms = 60_000, match: (event: CliEvent) => boolean = () => true): Promise<CliEvent> {
    return await this.until(`event ${name}`, () => this.events.find(e => e.event === name && match(e)), ms)
  }

  async until<T>(what: string, find: () => T | undefined, ms = 60_000): Promise<T> {
    const deadline = Date.now() + ms
    for (;;) {
      const found = find()
      if (found !== undefined) return found
      if (this.#closed || Date.now() > deadline) {
        throw new Error(
          `no ${what} (exit code ${this.child.exitCode}, signal ${this.#signal})\nstdout:\n${this.stdout}\nstderr:\n${this.stderr}`
        )
      }
      await new Promise<void>(resolve => {
        const timer = setTimeout(wake, Math.max(1, deadline - Date.now()))
        const waiters = this.#waiters
        function wake() {
          clearTimeout(timer)
          waiters.delete(wake)
          resolve()
        }
        waiters.add(wake)
      })
    }
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (!this.#closed) this.child.kill(signal)
    return await this.exited
  }

  #out(text: string): void {
    this.stdout += text
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line.startsWith('{')) this.events.push(JSON.parse(line) as CliEvent)
    }
    this.#wake()
  }

  #wake(): void {
    for (const wake of [...this.#waiters]) wake()
  }
}

/** Temporary folders and processes of one test, all gone when it ends. */
export class Lab {
  readonly dir = mkdtempSync(join(tmpdir(), 'shoal-e2e-'))
  readonly programPath = PROGRAM
  readonly #running = new Set<Cli>()

  path(...parts: string[]): string {
    return join(this.dir, ...parts)
  }

  cli(args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): Cli {
    const cli = new Cli(args, { cwd: this.dir, ...options })
    this.#running.add(cli)
    void cli.exited.then(() => this.#running.delete(cli))
    return cli
  }

  /** Runs to the end. */
  async run(
    args: readonly string[],
    options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}
  ): Promise<Cli & { code: number | null }> {
    const cli = this.cli(args, options)
    const code = await cli.exited
    return Object.assign(cli, { code })
  }

  /** A daemon with a data folder of that name, ready. */
  async daemon(name: string, args: readonly string[] = []): Promise<{ cli: Cli; addr: string; dataDir: string }> {
    const dataDir = this.path(name)
    const cli = this.cli(['daemon', '--json', '--data-dir', dataDir, '--listen', LOOPBACK, ...args])
    const ready = await cli.event('ready')
    const [addr] = ready['addrs'] as string[]
    return { cli, addr: addr ?? '', dataDir }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running].map(cli => cli.stop('SIGKILL')))
    rmSync(this.dir, { recursive: true, force: true })
  }
}
