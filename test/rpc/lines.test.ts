import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LineDecoder, LineTooLong } from '../../src/rpc/lines.ts'

function decode(chunks: Buffer[], maxBytes: number): string[] {
  const decoder = new LineDecoder(maxBytes)
  return chunks.flatMap(chunk => [...decoder.push(chunk)])
}

test('any split of the bytes gives the same lines', () => {
  const line = fc.string({ unit: 'binary' }).filter(text => !text.includes('\n'))
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat({ max: 200 })), (lines, cuts) => {
      const bytes = Buffer.from(lines.map(text => `${text}\n`).join(''))
      const chunks: Buffer[] = []
      let start = 0
      for (const cut of [...cuts.sort((a, b) => a - b), bytes.length]) {
        chunks.push(bytes.subarray(start, Math.max(start, cut)))
        start = Math.max(start, Math.min(cut, bytes.length))
      }
      expect(decode(chunks, 10_000)).toEqual(lines.map(text => Buffer.from(text).toString()))
    })
  )
})

test('an unfinished line stays until its end comes', () => {
  expect(decode([Buffer.from('one\ntw')], 10)).toEqual(['one'])
  expect(decode([Buffer.from('one\ntw'), Buffer.from('o\n')], 10)).toEqual(['one', 'two'])
})

test('a line over the limit is refused, whether or not its end came', () => {
  expect(decode([Buffer.from('12345\n')], 5)).toEqual(['12345'])
  expect(() => decode([Buffer.from('123456\n')], 5)).toThrow(LineTooLong)
  expect(() => decode([Buffer.from('123'), Buffer.from('456')], 5)).toThrow(LineTooLong)
})
