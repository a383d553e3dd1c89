import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import type { Clock } from '../../../src/base/clock.ts'
import { isShared, sharedBytes } from '../../../src/base/shared-memory.ts'
import { sideHasher } from '../../../src/content/disk/side-hasher.ts'
import { PieceMap } from '../../../src/content/piece-map.ts'
import { BufferPool } from '../../../src/transfer/io/buffer-pool.ts'
import { DownloadGate, MAX_UNWRITTEN_BYTES } from '../../../src/transfer/io/download-gate.ts'
import { IncomingBlocks } from '../../../src/transfer/io/incoming-blocks.ts'
import { HASHED_HERE_BYTES_PER_SEC, PieceHasher } from '../../../src/transfer/io/piece-hasher.ts'
import { type IntakeResult, takePieces } from '../../../src/transfer/io/piece-intake.ts'
import type { PieceStorage, SideHasher } from '../../../src/transfer/io/seams.ts'
import { hereAsThread } from '../../content/disk/here-as-thread.ts'

const BLOCK = 256 * 1024
const PIECE = 4 * BLOCK

const onThread: SideHasher = sideHasher(hereAsThread)

function world(side?: SideHasher) {
  let time = 0
  const clock = { now: () => time } as Clock
  const content = Array.from({ length: 80 }, (_, piece) => new Uint8Array(PIECE).fill(piece + 1))
  const digests = content.map(bytes => createHash('sha256').update(bytes).digest())
  const pieces = new PieceMap(Buffer.concat(digests), new Uint32Array(content.length).fill(PIECE))
  const written = new Map<number, string>()
  const storage = {
    pieces,
    write: async (first: number, _count: number, buffers: readonly Uint8Array[]) => {
      const hash = createHash('sha256')
      for (const buffer of buffers) hash.update(buffer)
      written.set(first, hash.digest('hex'))
    }
  } as unknown as PieceStorage
  const pool = new BufferPool(BLOCK, 8, sharedBytes)
  const blocks = new IncomingBlocks(pool)
  const gate = new DownloadGate()
  const hasher = new PieceHasher(clock, side)
  const take = async (piece: number, bytes = content[piece] ?? new Uint8Array(0)) => {
    for (let at = 0; at < PIECE; at += BLOCK) {
      blocks.expect(1, 'giver', at, pieces.offset(piece) + at, BLOCK)
      blocks.receive(1, at, bytes.subarray(at, at + BLOCK))
    }
    const results: IntakeResult[] = []
    await takePieces({ storage, blocks, gate, hasher, first: piece, count: 1 }, result => results.push(result))
    return results
  }
  const hexOf = (piece: number) => digests[piece]?.toString('hex')
  return { take, written, hexOf, gate, wait: (ms: number) => (time += ms) }
}

/** Notes what is asked of it. */
function counted(side: SideHasher) {
  const asked: number[] = []
  const sha256: SideHasher['sha256'] = parts => {
    expect(parts.every(isShared)).toBe(true)
    asked.push(parts.reduce((sum, { byteLength }) => sum + byteLength, 0))
    return side.sha256(parts)
  }
  return { asked, side: { sha256 } }
}

test('what comes slowly is hashed here, what comes fast on the thread, and all of it is written as it is', async () => {
  const { asked, side } = counted(onThread)
  const { take, written, hexOf, wait } = world(side)
  for (let piece = 0; piece < 60; piece++) {
    expect(await take(piece)).toEqual([{ type: 'verified', piece, from: new Set(['giver']) }])
    expect(written.get(piece)).toBe(hexOf(piece))
  }
  // half of what may pass at once stays in reserve, but for a first one
  expect(asked.length).toBeGreaterThanOrEqual(60 - HASHED_HERE_BYTES_PER_SEC / PIECE)
  expect(asked.length).toBeLessThan(60)
  expect(new Set(asked)).toEqual(new Set([PIECE]))
  const before = asked.length
  wait(1000)
  await take(60)
  expect(asked.length).toBe(before)
})

test('a false piece is found there too, and its memory is used again', async () => {
  const { asked, side } = counted(onThread)
  const { take, written, hexOf } = world(side)
  for (let piece = 0; piece < 40; piece++) await take(piece)
  const before = asked.length
  expect(await take(40, new Uint8Array(PIECE))).toEqual([{ type: 'false', piece: 40 }])
  expect(asked.length).toBe(before + 1)
  expect(written.has(40)).toBe(false)
  expect(await take(40)).toEqual([{ type: 'verified', piece: 40, from: new Set(['giver']) }])
  expect(written.get(40)).toBe(hexOf(40))
})

test('a thread that dies loses the piece, and says so', async () => {
  const error = new Error('a disk thread died')
  const { take, written } = world({
    sha256: () => Promise.reject(error)
  })
  let last: IntakeResult[] = []
  for (let piece = 0; piece < 40; piece++) last = await take(piece)
  expect(last).toEqual([{ type: 'unwritten', piece: 39, error }])
  expect(written.has(39)).toBe(false)
})

test('what waits for its hash counts as what waits for the disk', async () => {
  const waiting: Array<() => void> = []
  const { take, gate } = world({
    sha256: async parts => {
      await new Promise<void>(resolve => waiting.push(resolve))
      return await onThread.sha256(parts)
    }
  })
  const pieces = Array.from({ length: 70 }, (_, piece) => piece)
  const taken = Promise.all(pieces.map(piece => take(piece)))
  expect(waiting.length * PIECE).toBeGreaterThanOrEqual(MAX_UNWRITTEN_BYTES)
  let passed = 0
  gate.pass({ session: 1, bytes: 1, limiter: { take: () => true } as never }, () => (passed += 1))
  expect(passed).toBe(0)
  for (const go of waiting) go()
  await taken
  expect(passed).toBe(1)
})
