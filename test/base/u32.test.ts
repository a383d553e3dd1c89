import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readU32, writeU32 } from '../../src/base/u32.ts'

test('what is written is read, and it is as Node has it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.nat(5), (value, at) => {
      const buffer = Buffer.alloc(12)
      writeU32(buffer, at, value)
      expect(readU32(buffer, at)).toBe(value)
      expect(buffer.readUInt32BE(at)).toBe(value)
    })
  )
})
