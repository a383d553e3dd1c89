import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Bitfield } from '../../../src/content/bitfield.ts'
import { linkProblem } from '../../../src/content/store/link-target.ts'
import {
  decodeBits,
  decodeEnvelope,
  decodeFingerprints,
  decodeRoot,
  encodeBits,
  encodeEnvelope,
  encodeFingerprints,
  encodeJson,
  PIECES_PER_RECORD,
  parseKey,
  seal,
  unseal
} from '../../../src/content/store/records.ts'

const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const i64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })

test('what was sealed opens under its own key only, and not after any change', () => {
  fc.assert(
    fc.property(fc.string(), fc.uint8Array(), fc.nat(), fc.integer({ min: 1, max: 255 }), (key, payload, at, mask) => {
      const value = seal(key, payload)
      expect(unseal(key, value)).toEqual(payload)
      expect(unseal(`${key}x`, value)).toBeUndefined()
      value[at % value.byteLength] = (value[at % value.byteLength] ?? 0) ^ mask
      expect(unseal(key, value)).toBeUndefined()
    })
  )
})

test('fingerprints, bits and envelopes come back as they went', () => {
  const print = fc.record({
    altered: fc.boolean(),
    size: fc.nat(2 ** 31 - 1),
    mtimeNs: i64,
    ctimeNs: i64,
    ino: u64,
    dev: u64
  })
  fc.assert(
    fc.property(fc.dictionary(fc.nat(1e6).map(String), print), files => {
      const list = Object.entries(files).map(([entry, value]) => [Number(entry), value] as const)
      expect(decodeFingerprints(encodeFingerprints(list))).toEqual(new Map(list))
    })
  )
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 * PIECES_PER_RECORD + 5 }), fc.array(fc.nat()), (length, pieces) => {
      const bits = new Bitfield(length)
      for (const piece of pieces) bits.add(piece % length)
      const back = new Bitfield(length)
      for (let chunk = 0; chunk * PIECES_PER_RECORD < length; chunk++) {
        const payload = encodeBits(bits, chunk)
        if (payload !== undefined) expect(decodeBits(payload, chunk, back)).toBe(true)
      }
      expect(Buffer.from(back.bytes).equals(bits.bytes)).toBe(true)
    }),
    { numRuns: 30 }
  )
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (prefix, suffix) => {
      expect(decodeEnvelope(encodeEnvelope({ prefix, suffix }))).toEqual({ prefix, suffix })
    })
  )
})

test('arbitrary bytes are a record or nothing', () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), fc.json().map(Buffer.from)), fc.nat(9), (payload, chunk) => {
      unseal('x', payload)
      decodeRoot(payload)
      decodeFingerprints(payload)
      decodeEnvelope(payload)
      decodeBits(payload, chunk, new Bitfield(100))
    })
  )
  fc.assert(
    fc.property(fc.string(), key => {
      parseKey(key)
    })
  )
  const root = { cid: 'x', name: '', path: '/', source: 'get', state: 'partial', temp: null, tempId: null }
  const counts = { moving: false, addedAt: 1, nodes: 1, pieces: 1, totalBytes: 1, heldPieces: 1, heldBytes: 1 }
  expect(decodeRoot(encodeJson({ ...root, ...counts, problem: null }))).toBeDefined()
  expect(decodeRoot(encodeJson({ ...root, ...counts, pieces: -1, problem: null }))).toBeUndefined()
  expect(decodeRoot(encodeJson({ ...root, ...counts, problem: null, adopted: 1 }))?.adopted).toBe(false)
  expect(decodeRoot(encodeJson({ ...root, ...counts, problem: null, adopted: true }))?.adopted).toBe(true)
  // the field is younger than the format, and what it allows is allowed by nothing but true
  for (const evictable of [undefined, null, 1, 'true', false, true]) {
    const record = decodeRoot(encodeJson({ ...root, ...counts, problem: null, evictable }))
    expect(record?.evictable).toBe(evictable === true)
  }
})

test('symbolic links never lead outside, whatever links they pass', () => {
  const part = fc.constantFrom('..', '.', 'a', 'b', 'c', '')
  const path = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 }).map(parts => parts.join('/'))
  const target = fc.array(part, { maxLength: 5 }).map(parts => parts.join('/'))
  fc.assert(
    fc.property(fc.dictionary(path, target), path, target, (dictionary, at, to) => {
      const links = new Map([...Object.entries(dictionary), [at, to]])
      if (linkProblem(at, to, links) !== undefined) return
      // A naive walk, as the kernel does it, must stay inside at every step.
      const walk = (from: string[], rest: string[], hops: number): void => {
        expect(hops).toBeLessThan(50)
        const here = [...from]
        for (const [i, step] of rest.entries()) {
          if (step === '' || step === '.') continue
          if (step === '..') {
            expect(here.length).toBeGreaterThan(0)
            here.pop()
            continue
          }
          const link = links.get([...here, step].join('/'))
          if (link !== undefined) {
            expect(link.startsWith('/')).toBe(false)
            walk(here, [...link.split('/'), ...rest.slice(i + 1)], hops + 1)
            return
          }
          here.push(step)
        }
      }
      expect(to.startsWith('/')).toBe(false)
      walk([], [...at.split('/').slice(0, -1), ...to.split('/')], 0)
    })
  )
})
