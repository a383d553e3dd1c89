import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DigestTable } from '../../src/content/digest-table.ts'

test('numbers digests and tags by first appearance, however alike they are', () => {
  const digest = fc.tuple(fc.nat(31), fc.nat(40), fc.nat(1)).map(([at, value, tag]) => {
    const bytes = new Uint8Array(40)
    bytes[at + 3] = value
    return { bytes, tag }
  })
  fc.assert(
    fc.property(fc.array(digest, { maxLength: 200 }), drawn => {
      const table = new DigestTable()
      const model = new Map<string, number>()
      for (const { bytes, tag } of drawn) {
        const key = `${Buffer.from(bytes).toString('hex')} ${tag}`
        expect(table.find(bytes, 3, tag)).toBe(model.get(key))
        if (!model.has(key)) model.set(key, model.size)
        expect(table.add(bytes, 3, tag)).toBe(model.get(key))
      }
      expect(table.count).toBe(model.size)
      expect(table.toBytes().byteLength).toBe(model.size * 32)
      for (const { bytes, tag } of drawn) {
        const number = table.find(bytes, 3, tag) ?? -1
        expect(Buffer.from(table.digest(number))).toEqual(Buffer.from(bytes.subarray(3, 35)))
      }
    })
  )
})
