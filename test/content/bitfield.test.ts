import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Bitfield } from '../../src/content/bitfield.ts'

test('the first bit is the highest of the first byte (BEP 3)', () => {
  const field = new Bitfield(10)
  field.add(0)
  field.add(9)
  expect([...field.bytes]).toEqual([0b1000_0000, 0b0100_0000])
})

test('equals a set of numbers, whatever happens to it', () => {
  const step = fc.tuple(fc.constantFrom('add', 'delete'), fc.integer({ min: -3, max: 45 }))
  fc.assert(
    fc.property(fc.nat(40), fc.array(step), (length, steps) => {
      const field = new Bitfield(length)
      const model = new Set<number>()
      for (const [what, index] of steps) {
        const inside = index >= 0 && index < length
        if (what === 'add') {
          expect(field.add(index)).toBe(inside && !model.has(index))
          if (inside) model.add(index)
        } else expect(field.delete(index)).toBe(model.delete(index))
      }
      const sorted = [...model].sort((a, b) => a - b)
      expect([...field.ones()]).toEqual(sorted)
      expect(field.count).toBe(model.size)
      expect(field.isEmpty).toBe(model.size === 0)
      expect(field.isFull).toBe(model.size === length)
      expect([...(Bitfield.fromBytes(field.bytes, length)?.ones() ?? [])]).toEqual(sorted)
      const clone = field.clone()
      clone.add(0)
      expect(field.count).toBe(model.size)
    })
  )
})

test('fromBytes refuses a wrong length and spare bits', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 6 }), fc.nat(50), (bytes, length) => {
      const field = Bitfield.fromBytes(bytes, length)
      const fits = bytes.byteLength === Math.ceil(length / 8)
      const bits = [...bytes].map(byte => byte.toString(2).padStart(8, '0')).join('')
      if (!fits || bits.slice(length).includes('1')) expect(field).toBeUndefined()
      else expect(field?.count).toBe([...bits].filter(bit => bit === '1').length)
    })
  )
})

test.each([0, 1, 7, 8, 9, 16, 1001])('full(%i) has all bits and no spare ones', length => {
  const field = Bitfield.full(length)
  expect(field.isFull).toBe(true)
  expect([...field.ones()].length).toBe(length)
  expect(Bitfield.fromBytes(field.bytes, length)?.count).toBe(length)
})

test('lacksAnyOf', () => {
  const of = (...indexes: number[]) => {
    const field = new Bitfield(20)
    for (const index of indexes) field.add(index)
    return field
  }
  expect(of(1, 17).lacksAnyOf(of(17))).toBe(false)
  expect(of(1, 17).lacksAnyOf(of(18))).toBe(true)
  expect(of().lacksAnyOf(of())).toBe(false)
})
