/** Many readers of one root, beside each other and one after the other, each of which only waits for its own. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished, vi } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { MIB } from '../../src/base/units.ts'
import { keystream } from '../helpers/keystream.ts'
import { collect, eachWithLab, type NodeLab } from '../helpers/node-lab.ts'

/** Less than a promise to a peer is believed: whoever waits for one to lapse is too late. */
const PATIENCE_MS = 3000
/** All of these times are so much longer, and a slow machine keeps within them. */
const SLOWER = 10

let lab: NodeLab
eachWithLab(fresh => {
  lab = fresh
})

async function shared(files: number, bytes: number) {
  const begun = systemClock.now()
  vi.spyOn(systemClock, 'now').mockImplementation(() => begun + (performance.now() - begun) / SLOWER)
  onTestFinished(() => void vi.restoreAllMocks())
  const dir = join(lab.dir, 'folder')
  mkdirSync(dir)
  for (let at = 0; at < files; at++) writeFileSync(join(dir, `f${at}`), keystream(bytes, `f${at}`))
  const [a, b] = [await lab.start('a'), await lab.start('b')]
  const { link } = await a.share(dir)
  return { link, reader: b }
}

it('reads of small files, eight at a time as a web server does, keep their peer and wait for nothing else', async () => {
  const files = 80
  const { link, reader } = await shared(files, 40_000)
  const left = Array.from({ length: files }, (_, at) => at)
  const readAll = async () => {
    for (let at = left.pop(); at !== undefined; at = left.pop()) {
      const bytes = await collect(reader.read(link, { path: `f${at}`, timeoutMs: PATIENCE_MS }))
      expect(Buffer.compare(bytes, keystream(40_000, `f${at}`))).toBe(0)
    }
  }
  await Promise.all(Array.from({ length: 8 }, readAll))
})

it('a read that waits for bytes and is interrupted says so, whatever the reason given', async () => {
  const a = await lab.start('a', { up: 1_000_000 })
  const b = await lab.start('b')
  const { link } = await a.share(lab.file('film.mkv', 8_000_000).path)
  for (const reason of [undefined, new Error('mine')]) {
    const controller = new AbortController()
    const chunks = b.read(link, { signal: controller.signal })[Symbol.asyncIterator]()
    await chunks.next()
    const rest = (async () => {
      while (!(await chunks.next()).done);
    })()
    controller.abort(reason)
    await expect(rest).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  }
})

it('one file after the other, each wanted only once the one before is there', async () => {
  const { link, reader } = await shared(6, 40_000)
  for (let at = 0; at < 6; at++) {
    expect(await collect(reader.read(link, { path: `f${at}`, timeoutMs: PATIENCE_MS }))).toHaveLength(40_000)
  }
})

it('readers that pause, all that they want here already, leave the next one its bytes', async () => {
  const { link, reader } = await shared(6, 17 * MIB)
  const paused: Array<AsyncIterator<Uint8Array>> = []
  for (let at = 0; at < 5; at++) {
    const read = reader.read(link, { path: `f${at}` })[Symbol.asyncIterator]()
    expect((await read.next()).done).toBe(false)
    paused.push(read)
  }
  expect(await collect(reader.read(link, { path: 'f5', timeoutMs: PATIENCE_MS }))).toHaveLength(17 * MIB)
  for (const read of paused) await read.return?.()
})
