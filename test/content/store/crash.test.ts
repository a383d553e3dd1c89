/** A fetch that is killed again and again: nothing recorded is lost, nothing is claimed that is not right. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { beforeAll, expect, test } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { compileSource } from '../../helpers/compile.ts'
import { bytes, type Content, contentOf, isPiece, temporaryFolder } from './content.ts'
import { beginFetch, openStore } from './stores.ts'

const KILLS = 10
let content: Content

beforeAll(async () => {
  content = await contentOf(
    { 'big.bin': bytes(5_000_000, 'big'), 'a/b': bytes(50_000, 'b'), 'a/c': bytes(50_000, 'b') },
    20_000
  )
})

/** Writes missing pieces in a loop; after each flush it says what was recorded. */
const CHILD = `
import { readFile } from 'node:fs/promises'
import { CID } from 'multiformats/cid'
import { ContentStore } from './content/store/content-store.js'
const [dir, out] = process.argv.slice(2)
const { cid, nodes } = JSON.parse(await readFile(dir + '/input.json', 'utf8'))
const space = await readFile(dir + '/space')
const { assembleManifest } = await import('./content/manifest-assembler.js')
const blocks = nodes.map(node => Buffer.from(node, 'base64'))
const manifest = assembleManifest(CID.parse(cid), blocks)
const store = await ContentStore.open(dir + '/data')
const root = await store.beginFetch({ manifest, blocks, path: out, name: 'out', force: false })
await root.recheckUnrecorded()
console.log('ready')
const { pieces } = root
let n = 0
for (let piece = 0; piece < pieces.count; piece++) {
  if (root.have.has(piece)) continue
  await root.write(piece, 1, [space.subarray(pieces.offset(piece), pieces.offset(piece + 1))])
  if (++n % 9 === 0) {
    await root.flush()
    console.log([...root.have.ones()].join(' '))
  }
  await new Promise(resolve => setTimeout(resolve, 1))
}
await root.complete()
console.log('done')
setInterval(() => {}, 1000)
`

test(`survives ${KILLS} kills`, async () => {
  const dir = await temporaryFolder()
  const program = join(dir, 'program')
  await mkdir(program)
  await compileSource(program)
  await writeFile(join(program, 'child.js'), CHILD)
  await writeFile(
    join(dir, 'input.json'),
    JSON.stringify({
      cid: content.manifest.root.toString(),
      nodes: content.blocks.map(block => Buffer.from(block).toString('base64'))
    })
  )
  const { pieces } = content.manifest
  await writeFile(join(dir, 'space'), Buffer.concat(Array.from({ length: pieces.count }, (_, i) => content.piece(i))))
  const out = join(dir, 'out')
  const seed = Date.now() >>> 0
  console.log(`seed ${seed}`)
  const random = seededRandom(seed)
  let before = 0
  for (let kill = 0; kill < KILLS; kill++) {
    const child = spawn(process.execPath, [join(program, 'child.js'), dir, out], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    const recorded = new Set<number>()
    // Killed somewhere after the n-th thing that it said: between or amid writes and flushes.
    let rest = 1 + random.below(4)
    for await (const line of createInterface({ input: child.stdout })) {
      for (const piece of line.split(' ')) if (/^\d+$/.test(piece)) recorded.add(Number(piece))
      rest -= 1
      if (line === 'done' || rest <= 0) break
    }
    const ended = once(child, 'exit')
    for (let spin = random.below(20_000); spin > 0; spin--) if (spin % 1000 === 0) await null
    child.kill('SIGKILL')
    await ended

    const store = await openStore(join(dir, 'data'))
    expect(store.damage).toEqual([])
    const root = await beginFetch(store, content, out)
    for (const piece of recorded) expect(root.have.has(piece)).toBe(true)
    await root.recheckUnrecorded()
    for (const piece of root.have.ones()) {
      expect(isPiece(content, piece, await root.read(pieces.offset(piece), pieces.wireSize(piece)))).toBe(true)
    }
    expect(root.have.count).toBeGreaterThanOrEqual(before)
    before = root.have.count
    await store.close()
  }
  const store = await openStore(join(dir, 'data'))
  const root = await beginFetch(store, content, out)
  await root.recheckUnrecorded()
  for (let piece = 0; piece < pieces.count; piece++) {
    if (!root.have.has(piece)) await root.write(piece, 1, [content.piece(piece)])
  }
  await root.complete()
  expect((await readFile(join(out, 'big.bin'))).equals(bytes(5_000_000, 'big'))).toBe(true)
  expect((await readFile(join(out, 'a/c'))).equals(bytes(50_000, 'b'))).toBe(true)
})
