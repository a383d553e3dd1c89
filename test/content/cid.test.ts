import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { ShoalError } from '../../src/base/errors.ts'
import { cidOf, DAG_PB, parseCid, RAW } from '../../src/content/cid.ts'

test('reads v0 and v1, any base, with white space around', () => {
  const cid = cidOf(DAG_PB, createHash('sha256').digest())
  for (const text of [cid.toString(), ` ${cid}\n`, cid.toV0().toString()])
    expect(parseCid(text).toV1().equals(cid)).toBe(true)
})

test('reads capital letters, and is the same for all spellings', () => {
  const text = cidOf(RAW, new Uint8Array(32).fill(7)).toString()
  for (const other of [text.toUpperCase(), `b${text.slice(1).toUpperCase()}`, `B${text.slice(1)}`]) {
    const cid = parseCid(` ${other}\n`)
    expect([`${cid}`, `${cid.toV1()}`, cid.equals(parseCid(text))]).toEqual([text, text, true])
    expect(() => parseCid(other.slice(0, -1))).toThrow(expect.objectContaining({ code: 'ERR_BAD_CID' }))
  }
})

test('copies the digest', () => {
  const digest = createHash('sha256').digest()
  const cid = cidOf(RAW, digest)
  digest.fill(0)
  expect(cid.toString()).toBe('bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku')
})

test.each([
  ['', 'ERR_BAD_CID'],
  ['Qm', 'ERR_BAD_CID'],
  ['bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyk', 'ERR_BAD_CID'],
  ['x'.repeat(10_000), 'ERR_BAD_CID'],
  ['bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy', 'ERR_UNSUPPORTED_CID'],
  ['bafkqaaa', 'ERR_UNSUPPORTED_CID']
])('%j is refused with %s', (text, code) => {
  try {
    parseCid(text)
    expect.unreachable()
  } catch (err) {
    expect(err).toBeInstanceOf(ShoalError)
    expect((err as ShoalError).code).toBe(code)
    expect((err as ShoalError).message.length).toBeLessThan(300)
  }
})
