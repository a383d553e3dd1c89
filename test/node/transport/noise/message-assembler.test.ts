import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MessageAssembler } from '../../../../src/node/transport/noise/message-assembler.ts'

const framed = (message: Uint8Array) => Buffer.concat([Uint8Array.of(message.length >> 8, message.length), message])

test('any messages, cut anywhere, come out as they went in', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 8 }),
      fc.array(fc.nat(300), { maxLength: 30 }),
      (messages, cuts) => {
        const bytes = Buffer.concat(messages.map(framed))
        const assembler = new MessageAssembler()
        const got: number[][] = []
        let at = 0
        for (const cut of [...cuts, bytes.length]) {
          assembler.push(bytes.subarray(at, at + cut), message => got.push([...message]))
          at += cut
        }
        expect(got).toEqual(messages.map(message => [...message]))
      }
    )
  )
})

test('a message that lies whole in a chunk is a view of it', () => {
  const chunk = framed(Uint8Array.of(1, 2, 3))
  const got: Uint8Array[] = []
  new MessageAssembler().push(chunk, message => got.push(message))
  expect(got[0]?.buffer).toBe(chunk.buffer)
})
