/** Imports point one way. Each rule is also shown a forged file that breaks it, so that none can pass by seeing nothing. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { isEntry, type SourceFileText, violations, workersStartedIn } from './import-rules.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const dependencies = Object.keys(JSON.parse(readFileSync(`${root}package.json`, 'utf8')).dependencies)
const MAX_LINES = 400
/** Written by protons from a .proto file. */
const GENERATED = ['transfer/protocol/wire.ts']

const files: SourceFileText[] = readdirSync(`${root}src`, { recursive: true, encoding: 'utf8' })
  .map(path => path.replaceAll('\\', '/'))
  .filter(path => path.endsWith('.ts') && !path.endsWith('.d.ts'))
  .sort()
  .map(path => ({ path, text: readFileSync(`${root}src/${path}`, 'utf8') }))

describe('the files of src', () => {
  it('are there, in every room', () => {
    for (const room of [
      'base',
      'content',
      'transfer/protocol',
      'transfer/core',
      'transfer/io',
      'dht',
      'node',
      'rpc',
      'cli'
    ]) {
      expect(files.filter(({ path }) => path.startsWith(`${room}/`)).length, `files in src/${room}`).toBeGreaterThan(0)
    }
  })

  it('import in the direction of the design only', () => {
    expect(files.flatMap(file => violations(file, dependencies))).toEqual([])
  })

  it('start workers only from files that are named as such', () => {
    expect(files.flatMap(workersStartedIn).filter(path => !isEntry(path))).toEqual([])
  })

  it(`have at most ${MAX_LINES} lines each`, () => {
    const long = files
      .filter(({ path }) => !GENERATED.includes(path))
      .map(({ path, text }) => ({ path, lines: text.trimEnd().split('\n').length }))
      .filter(({ lines }) => lines > MAX_LINES)
    expect(long).toEqual([])
  })
})

describe('a forged file is caught', () => {
  const forged: Array<[path: string, text: string, complaint: RegExp]> = [
    ['base/units.ts', `import { parseCid } from '../content/cid.ts'`, /may import nothing of ours/],
    ['content/cid.ts', `import { swarm } from '../transfer/core/swarm.ts'`, /content may import base$/],
    ['content/store/records.ts', `import type { NodeApi } from '../../node/api.ts'`, /content may import base$/],
    ['content/store/records.ts', `export * from '../../dht/dht.ts'`, /content may import base$/],
    ['dht/dht.ts', `import { swarm } from '../transfer/io/runner.ts'`, /dht may import/],
    ['transfer/io/runner.ts', `import { dht } from '../../dht/dht.ts'`, /imports dht\/dht\.ts/],
    ['transfer/io/runner.ts', `import { node } from '../../node/node.ts'`, /imports node\/node\.ts/],
    [
      'transfer/io/runner.ts',
      `import { open } from '../../content/store/store.ts'`,
      /imports content\/store\/store\.ts/
    ],
    ['transfer/io/runner.ts', `import { decode } from '../../content/manifest.ts'`, /only its types/],
    ['transfer/core/picker.ts', `import { runner } from '../io/runner.ts'`, /imports transfer\/io\/runner\.ts/],
    ['transfer/core/picker.ts', `import { store } from '../../content/store/store.ts'`, /imports content\/store/],
    ['transfer/core/picker.ts', `import { decode } from '../../content/manifest.ts'`, /only its types/],
    ['transfer/core/picker.ts', `import { type A, decode } from '../../content/manifest.ts'`, /only its types/],
    ['transfer/protocol/codec.ts', `import { picker } from '../core/picker.ts'`, /imports transfer\/core\/picker\.ts/],
    [
      'transfer/protocol/codec.ts',
      `import { Bitfield } from '../../content/bitfield.ts'`,
      /imports content\/bitfield\.ts/
    ],
    ['node/node.ts', `import { serve } from '../rpc/server.ts'`, /imports rpc\/server\.ts/],
    ['rpc/server.ts', `import { main } from '../cli/main.ts'`, /imports cli\/main\.ts/],
    ['rpc/server.ts', `import { parseCid } from '../content/cid.ts'`, /rpc may import node, base$/],
    ['cli/get.ts', `import { parseCid } from '../content/cid.ts'`, /cli may import rpc, node, base$/],
    ['cli/get.ts', `const { swarm } = await import('../transfer/core/swarm.ts')`, /imports transfer\/core/],
    ['cli/get.ts', `type Cid = import('../content/cid.ts').Cid`, /imports content\/cid\.ts/],
    ['cli/get.ts', `const cid = require('../content/cid.ts')`, /imports content\/cid\.ts/],
    ['index.ts', `import './base/polyfill.ts'\nexport * from './content/cid.ts'`, /the entry may import node, base$/],
    ['gateway/http.ts', `export {}`, /no known room/],
    ['cli/get.ts', `import { helper } from '../../test/helper.ts'`, /outside src/],
    ['cli/get.ts', `import { parseRate } from '../base/units.js'`, /without its \.ts/],
    ['node/node.ts', `import { readFile } from 'fs/promises'`, /without node:/],
    ['content/build.ts', `import { importer } from 'ipfs-unixfs-importer'`, /does not list under dependencies/],
    ['transfer/core/picker.ts', `import { createHash } from 'node:crypto'`, /transfer\/core is pure/],
    ['transfer/core/picker.ts', `import { createHash } from 'crypto'`, /transfer\/core is pure/],
    ['transfer/protocol/codec.ts', `import { createLibp2p } from 'libp2p'`, /transfer\/protocol is pure/],
    ['transfer/protocol/codec.ts', `import type { Stream } from '@libp2p/interface'`, /transfer\/protocol is pure/],
    [
      'cli/main.ts',
      `import { run } from './run.ts'\nimport '../base/polyfill.ts'`,
      /must import base\/polyfill\.ts first/
    ],
    ['index.ts', `export * from './node/api.ts'\nimport './base/polyfill.ts'`, /must import base\/polyfill\.ts first/],
    [
      'content/disk/disk-worker.ts',
      `import { parentPort } from 'node:worker_threads'`,
      /must import base\/polyfill\.ts first/
    ],
    ['content/worker.ts', `export {}`, /must import base\/polyfill\.ts first/]
  ]
  for (const expression of [
    ...[
      'setTimeout(() => {}, 1)',
      'setInterval(f)',
      'setImmediate(f)',
      'clearTimeout(t)',
      'queueMicrotask(f)',
      'Date.now()'
    ],
    ...[
      'new Date()',
      'performance.now()',
      'Math.random()',
      `Math['random']()`,
      'roll(Math)',
      'console.log(1)',
      'process.pid'
    ],
    ...[
      'crypto.getRandomValues(a)',
      'Buffer.alloc(1)',
      'fetch(url)',
      'globalThis.setTimeout(f)',
      '{ Date }',
      '[process]'
    ]
  ]) {
    forged.push(['transfer/core/choker.ts', `export const x = ${expression}`, /transfer\/core is pure/])
  }

  it.each(forged)('%s: %s', (path, text, complaint) => {
    expect(violations({ path, text }, dependencies).join('\n')).toMatch(complaint)
  })

  it('and names the line', () => {
    const text = `// a\n\nimport { x } from '../content/cid.ts'\n`
    expect(violations({ path: 'cli/ls.ts', text }, dependencies)).toEqual([
      'cli/ls.ts:3 imports content/cid.ts: cli may import rpc, node, base'
    ])
  })

  it('a worker by another name is caught', () => {
    const text = `new Worker(new URL('./hasher.ts', import.meta.url))`
    expect(workersStartedIn({ path: 'content/pool.ts', text })).toEqual(['content/hasher.ts'])
    expect(isEntry('content/hasher.ts')).toBe(false)
    expect(isEntry('content/disk/disk-worker.ts')).toBe(true)
  })
})

describe('what is allowed is not complained about', () => {
  it.each([
    ['base/units.ts', `import { ShoalError } from './errors.ts'`],
    ['content/store/records.ts', `import { KIB } from '../../base/units.ts'\nimport { parseCid } from '../cid.ts'`],
    ['transfer/core/picker.ts', `import type { Manifest } from '../../content/manifest.ts'`],
    [
      'transfer/core/picker.ts',
      `import { Bitfield } from '../../content/bitfield.ts'\nimport { a } from '../protocol/messages.ts'`
    ],
    [
      'transfer/core/picker.ts',
      `interface Input { process: number }\nexport const x = (i: Input) => i.process + Math.min(1, 2)`
    ],
    ['transfer/protocol/codec.ts', `import { decodeMessage } from 'protons-runtime'`],
    ['transfer/io/runner.ts', `import { step } from '../core/swarm.ts'\nsetTimeout(step, 1)`],
    ['node/node.ts', `import { dht } from '../dht/dht.ts'\nimport { open } from '../content/store/store.ts'`],
    ['cli/main.ts', `#!/usr/bin/env node\nimport '../base/polyfill.ts'\nimport { run } from './run.ts'`]
  ])('%s: %s', (path, text) => {
    expect(violations({ path, text }, dependencies)).toEqual([])
  })
})
