/** The peer benchmark's driver of shoal: the contract that the benchmark has with it, on loopback. */
import { type ChildProcess, spawn } from 'node:child_process'
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { freePort } from '../helpers/free-port.ts'
import { keystream } from '../helpers/keystream.ts'
import { checkout, requireBuild } from '../project/built.ts'
import { run } from '../project/run.ts'

const driver = join(checkout, 'scripts/peerbench/shoal')
const TIMEOUT_MS = 60_000

let folder = ''
let running: Peer[] = []
beforeAll(requireBuild)
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shoal-peerbench-'))
  running = []
})
afterEach(async () => {
  for (const peer of running) peer.child.kill('SIGKILL')
  await Promise.all(running.map(peer => peer.ended))
  rmSync(folder, { recursive: true, force: true })
})

/** One run of the driver, started as the benchmark starts it. */
class Peer {
  readonly child: ChildProcess
  readonly ended: Promise<number | null>
  readonly #events: string
  #said = ''

  constructor(action: string, name: string, env: NodeJS.ProcessEnv) {
    this.#events = join(folder, `${name}.events`)
    writeFileSync(this.#events, '')
    const { PEER_GO: _, ...inherited } = process.env
    this.child = spawn(driver, [action], {
      env: { ...inherited, PEER_SHOAL_NODE: process.execPath, PEER_EVENTS: this.#events, ...env },
      stdio: ['ignore', 'pipe', 'pipe']
    })
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#said += text
      })
    }
    this.ended = new Promise(resolve => this.child.once('close', resolve))
    running.push(this)
  }

  has(word: string): boolean {
    return readFileSync(this.#events, 'utf8').split('\n').includes(word)
  }

  async until(word: string): Promise<void> {
    const deadline = Date.now() + TIMEOUT_MS
    while (!this.has(word)) {
      if (this.child.exitCode !== null || Date.now() > deadline) throw new Error(`no ${word}: ${this.#said}`)
      await sleep(10)
    }
  }

  async stop(): Promise<number | null> {
    this.child.kill('SIGTERM')
    return await this.ended
  }
}

describe('the driver', () => {
  it('says in one line what it is, and does not know every action', async () => {
    const env = { PEER_SHOAL_NODE: process.execPath }
    const version = await run(driver, ['version'], { cwd: folder, env, timeoutMs: TIMEOUT_MS })
    expect(version).toMatchObject({ code: 0, stdout: expect.stringMatching(/^shoal \d+\.\d+\.\d+, node v.*\n$/) })
    expect((await run(driver, ['frobnicate'], { cwd: folder, env, timeoutMs: TIMEOUT_MS })).code).toBe(64)
  })

  it('starts in time: the benchmark reads of it in the first five lines', () => {
    expect(readFileSync(driver, 'utf8').split('\n').slice(0, 5)).toContain('# caps: go')
  })

  it('keeps the contract, and finds a seeder that nobody told it of', async () => {
    const [first, seeding, fetching] = [await freePort(), await freePort(), await freePort()]
    const at = (port: number | undefined) => `127.0.0.1:${port}`
    const bytes = keystream(5_000_000, 'peerbench')
    const env = (name: string, port?: number) => {
      for (const below of [name, `${name}/out`, `${name}/state`]) mkdirSync(join(folder, below), { recursive: true })
      return {
        PEER_SRC: join(folder, 'film.bin'),
        PEER_REF: join(folder, 'ref'),
        PEER_STATE: join(folder, name, 'state'),
        PEER_OUT: join(folder, name, 'out'),
        PEER_IP: '127.0.0.1',
        PEER_PORT: String(port),
        // the one address that a peer knows is that of a bystander: the seeder is found through the DHT
        PEER_BOOT: [first, seeding, fetching].map(at).join(','),
        PEER_SEED: at(seeding)
      }
    }
    writeFileSync(join(folder, 'film.bin'), bytes)
    expect(await new Peer('ingest', 'ingest', env('seed')).ended).toBe(0)
    expect(readFileSync(join(folder, 'ref'), 'utf8')).toMatch(/^bafy\w+\n$/)
    expect(await new Peer('recheck', 'recheck', env('seed')).ended).toBe(0)

    const bystander = new Peer('idle', 'idle', env('idle', first))
    await bystander.until('READY')
    // left by a seeder that was killed
    mkdirSync(join(folder, 'seed/state/seed-99999999'))
    const seeder = new Peer('seed', 'seed', env('seed', seeding))
    const go = join(folder, 'go')
    const leecher = new Peer('fetch', 'fetch', { ...env('fetch', fetching), PEER_GO: go })
    await Promise.all([seeder.until('READY'), leecher.until('READY')])
    await sleep(200)
    expect(readdirSync(join(folder, 'fetch/out'))).toEqual([])
    appendFileSync(go, '')
    await leecher.until('DONE')
    expect(readFileSync(join(folder, 'fetch/out/film.bin')).equals(bytes)).toBe(true)

    expect(await Promise.all([leecher.stop(), seeder.stop(), bystander.stop()])).toEqual([0, 0, 0])
    expect(readdirSync(join(folder, 'seed/state'))).toEqual(['ingested'])
    expect(readdirSync(join(folder, 'fetch/out'))).toEqual(['film.bin'])
  })

  it('does not seed what is no longer there', async () => {
    const port = await freePort()
    const source = join(folder, 'film.bin')
    const env = { PEER_SRC: source, PEER_REF: join(folder, 'ref'), PEER_STATE: folder }
    writeFileSync(source, 'film')
    expect(await new Peer('ingest', 'ingest', env).ended).toBe(0)
    writeFileSync(source, 'another film')
    const seeder = new Peer('seed', 'seed', { ...env, PEER_IP: '127.0.0.1', PEER_PORT: String(port) })
    expect(await seeder.ended).toBe(1)
    expect(seeder.has('READY')).toBe(false)
  })
})
