import { expect, it } from 'vitest'
import type { KeyValue } from '../../../src/content/store/key-value.ts'
import { UseBook } from '../../../src/node/storage/use-book.ts'

class MemoryKeyValue implements KeyValue {
  readonly records = new Map<string, Uint8Array>()

  async get(key: string) {
    return this.records.get(key)
  }

  async put(key: string, value: Uint8Array) {
    this.records.set(key, value)
  }

  async delete(key: string) {
    this.records.delete(key)
  }

  async batch() {
    throw new Error('not used')
  }

  async *entries(prefix: string) {
    for (const [key, value] of [...this.records]) if (key.startsWith(prefix)) yield { key, value }
  }
}

it('keeps what was noted, also for the next process, and drops what is held no more', async () => {
  const kv = new MemoryKeyValue()
  const first = new UseBook(kv)
  await first.note('a', { usedAt: 5 })
  await first.note('a', { holders: 3, seenAt: 7 })
  await first.note('b', { usedAt: 6 })
  const second = new UseBook(kv)
  await second.load(new Set(['a']))
  expect(second.of('a')).toEqual({ usedAt: 5, holders: 3, seenAt: 7 })
  expect([second.of('b'), [...kv.records.keys()]]).toEqual([undefined, ['use/a']])
  await second.forget('a')
  expect([second.of('a'), kv.records.size]).toEqual([undefined, 0])
})

it('drops what makes no sense', async () => {
  const kv = new MemoryKeyValue()
  for (const [i, text] of ['', '{', '{"usedAt":-1,"holders":0,"seenAt":0}', '{"usedAt":1}', '[]'].entries()) {
    await kv.put(`use/${i}`, Buffer.from(text))
  }
  const book = new UseBook(kv)
  await book.load(new Set(['0', '1', '2', '3', '4']))
  expect(kv.records.size).toBe(0)
})
