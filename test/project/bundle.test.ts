/**
 * What the built program loads when it runs, by the module hooks of Node: no timing, yet a start stays quick only as
 * long as this holds.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { checkout, requireBuild } from './built.ts'
import { succeed } from './run.ts'

const PROGRAM = join(checkout, 'dist/cli/main.js')
const TIMEOUT_MS = 120_000
/** Text that only the code of that part has: chunks are named and cut as the bundler likes. */
const PARTS = {
  network: '/shoal/kad/',
  curves: 'secp256k1',
  store: 'classic-level/binding.js',
  swarm: '/shoal/swarm/'
}

/** Notes the URL of every ES module that is loaded. */
const HOOKS = `import { appendFileSync } from 'node:fs'
export async function load(url, context, next) {
  appendFileSync(process.env.LOADED, url + '\\n')
  return await next(url, context)
}`
const REGISTER = `import { register } from 'node:module'
register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(HOOKS)}`)})`

let folder = ''
let noted = ''
let hooked: string[] = []

beforeAll(() => {
  requireBuild()
  folder = mkdtempSync(join(tmpdir(), 'shoal-bundle-'))
  noted = join(folder, 'loaded')
  writeFileSync(join(folder, 'register.mjs'), REGISTER)
  writeFileSync(join(folder, 'small'), 'small')
  hooked = ['--import', pathToFileURL(join(folder, 'register.mjs')).href, PROGRAM, '--data-dir', join(folder, 'data')]
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Files that were loaded since the last call. */
function loadedFiles(): string[] {
  const urls = readFileSync(noted, 'utf8').split('\n')
  writeFileSync(noted, '')
  return urls.filter(url => url.startsWith('file:') && !url.endsWith('register.mjs')).map(url => new URL(url).pathname)
}

function partsIn(files: readonly string[]): string[] {
  const text = files.map(file => readFileSync(file, 'utf8')).join('\n')
  return Object.entries(PARTS)
    .filter(([, mark]) => text.includes(mark))
    .map(([name]) => name)
}

test.each([
  ['--version', [], []],
  ['daemon --help', ['daemon', '--help'], []],
  ['hash of a file', ['hash', 'small'], []],
  ['ls without a node', ['ls'], ['store']],
  ['status without a node', ['status'], ['store']]
])('%s loads no more than it uses', async (name, args, parts) => {
  await succeed(process.execPath, [...hooked, ...(args.length > 0 ? args : [name])], {
    cwd: folder,
    env: { LOADED: noted },
    timeoutMs: TIMEOUT_MS
  })
  expect(partsIn(loadedFiles())).toEqual(parts)
})

test('a daemon is a handful of files, and asking it loads the control socket alone', async () => {
  const daemon = spawn(process.execPath, [...hooked, 'daemon', '--json', '--listen', '/ip4/127.0.0.1/tcp/0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, LOADED: noted }
  })
  const ended = new Promise(resolve => daemon.once('close', resolve))
  try {
    const [line] = await Promise.race([firstLine(daemon.stdout), ended.then(() => [''])])
    expect(line).toContain('"ready"')
    const files = loadedFiles()
    expect(partsIn(files)).toEqual(Object.keys(PARTS))
    expect(files.length).toBeLessThan(40)
    expect(files.filter(file => file.includes('/node_modules/')).map(file => basename(file))).toEqual([])

    for (const command of ['ls', 'status', 'peers']) {
      await succeed(process.execPath, [...hooked, command], {
        cwd: folder,
        env: { LOADED: noted },
        timeoutMs: TIMEOUT_MS
      })
      expect(partsIn(loadedFiles())).toEqual([])
    }
  } finally {
    daemon.kill('SIGTERM')
    await ended
  }
})

async function firstLine(stream: NodeJS.ReadableStream): Promise<string[]> {
  for await (const line of createInterface({ input: stream })) return [line]
  return ['']
}

test('who embeds the bundle has the whole program in a handful of files', async () => {
  const script = join(folder, 'embed.mjs')
  const bundled = pathToFileURL(join(checkout, 'dist/cli/bundled.js')).href
  writeFileSync(
    script,
    `import { createNode } from '${bundled}'
const node = await createNode({ dataDir: 'embedded', listen: ['/ip4/127.0.0.1/tcp/0'] })
await node.start()
const { cid } = await node.share('small')
console.log(cid)
await node.stop()`
  )
  const printed = await succeed(process.execPath, [...hooked.slice(0, 2), script], {
    cwd: folder,
    env: { LOADED: noted },
    timeoutMs: TIMEOUT_MS
  })
  expect(printed.trim()).toBe('bafkreieb3ohlxo6gtrwgvvfgvkjlo3qmbcxvi7ncg246fso34hmcqwubga')
  const files = loadedFiles()
  expect(partsIn(files)).toEqual(Object.keys(PARTS))
  expect(files.filter(file => file.includes('/node_modules/')).map(file => basename(file))).toEqual([])
})

test('the licences of what it holds come along', () => {
  const text = readFileSync(join(checkout, 'dist/cli/LICENSES.txt'), 'utf8')
  for (const name of [
    'libp2p',
    '@libp2p/kad-dht',
    '@chainsafe/libp2p-noise',
    '@noble/curves',
    'classic-level',
    'commander'
  ]) {
    expect(text).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+: `, 'm'))
  }
})
