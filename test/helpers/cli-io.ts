/** The command line in this process, with a world of its own: captured output, a fake node, a data folder that goes. */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Interrupt } from '../../src/cli/interrupt.ts'
import { type CliIo, type OutStream, realLoaders } from '../../src/cli/io.ts'
import { runCli } from '../../src/cli/program.ts'
import type { NodeOptions } from '../../src/node/api.ts'
import { type RpcServer, startServer } from '../../src/rpc/server.ts'
import { FakeNode } from './fake-node.ts'

export class Capture implements OutStream {
  text = ''
  isTTY = false
  columns: number | undefined
  readonly #waiting: Array<{ find: string; resolve: () => void }> = []

  write(text: string): boolean {
    this.text += text
    for (const { find, resolve } of this.#waiting) if (this.text.includes(find)) resolve()
    return true
  }

  get lines(): string[] {
    return this.text.split('\n').slice(0, -1)
  }

  get events(): Array<Record<string, unknown>> {
    return this.lines.map(line => JSON.parse(line))
  }

  async has(find: string): Promise<void> {
    if (this.text.includes(find)) return
    await new Promise<void>(resolve => this.#waiting.push({ find, resolve }))
  }
}

/** One data folder and one fake node; every run is a command line of its own on it. */
export class CliLab {
  readonly dir = realpathSync(mkdtempSync(join(tmpdir(), 'shoal-cli-')))
  readonly dataDir = join(this.dir, 'data')
  readonly node = new FakeNode()
  /** What nodes were made with. */
  readonly made: NodeOptions[] = []
  readonly hashed: string[] = []
  hash: CliIo['load']['hashPath'] = async () => {
    throw new Error('not to be hashed')
  }
  env: Record<string, string | undefined> = { LANG: 'en_US.UTF-8' }
  isCwdGone = false
  #server: RpcServer | undefined

  /** A process that runs on the data folder already. */
  async serve(mode = 'daemon'): Promise<FakeNode> {
    const { mkdir } = await import('node:fs/promises')
    await mkdir(this.dataDir, { recursive: true })
    const node = new FakeNode()
    this.#server = await startServer(node, { dataDir: this.dataDir, mode })
    return node
  }

  async stopServing(): Promise<void> {
    await this.#server?.close()
    this.#server = undefined
  }

  start(argv: readonly string[], tty?: { columns: number }): Run {
    const stdout = new Capture()
    const stderr = new Capture()
    if (tty !== undefined) {
      for (const stream of [stdout, stderr]) Object.assign(stream, { isTTY: true, columns: tty.columns })
    }
    const interrupt = new Interrupt()
    const io: CliIo = {
      stdout,
      stderr,
      env: { SHOAL_DATA_DIR: this.dataDir, ...this.env },
      cwd: this.isCwdGone ? '/' : this.dir,
      isCwdGone: this.isCwdGone,
      interrupt,
      load: {
        ...realLoaders,
        createNode: async options => {
          this.made.push(options)
          const { mkdir } = await import('node:fs/promises')
          await mkdir(options.dataDir, { recursive: true })
          return this.node
        },
        hashPath: async (path, options) => {
          this.hashed.push(path)
          return await this.hash(path, options)
        }
      }
    }
    return { stdout, stderr, interrupt, code: runCli(argv, io) }
  }

  async run(argv: readonly string[], tty?: { columns: number }): Promise<Finished> {
    const { code, ...rest } = this.start(argv, tty)
    return { ...rest, code: await code }
  }

  async close(): Promise<void> {
    await this.stopServing()
    rmSync(this.dir, { recursive: true, force: true })
  }
}

export interface Run {
  stdout: Capture
  stderr: Capture
  interrupt: Interrupt
  code: Promise<number>
}

export type Finished = Omit<Run, 'code'> & { code: number }
