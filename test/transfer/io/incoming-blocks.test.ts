import { describe, expect, it } from 'vitest'
import { BufferPool } from '../../../src/transfer/io/buffer-pool.ts'
import { IncomingBlocks } from '../../../src/transfer/io/incoming-blocks.ts'

const bytes = (...values: number[]) => Uint8Array.from(values)
const blocks = () => new IncomingBlocks(new BufferPool(8, 4))

describe('IncomingBlocks', () => {
  it('assembles a request from any chunks', () => {
    const incoming = blocks()
    incoming.expect(1, 'peer', 7, 100, 4)
    expect(incoming.receive(1, 7, bytes(1))).toBe('more')
    expect(incoming.receive(1, 7, bytes(2, 3))).toBe('more')
    expect(incoming.receive(1, 7, bytes(4))).toBe('done')
    const [block] = incoming.takeRange(100, 104) ?? []
    expect(block?.buffer.subarray(0, 4)).toEqual(bytes(1, 2, 3, 4))
    expect(block?.from).toBe('peer')
    expect(incoming.takeRange(100, 104)).toBeUndefined()
  })

  it('tells what nobody asked for from what is too much', () => {
    const incoming = blocks()
    expect(incoming.receive(1, 7, bytes(1))).toBe('unexpected')
    incoming.expect(1, 'peer', 7, 0, 2)
    expect(incoming.receive(2, 7, bytes(1))).toBe('unexpected')
    expect(incoming.receive(1, 7, bytes(1, 2, 3))).toBe('overrun')
  })

  it('keeps the first that completes an offset, so that a second peer cannot touch it', () => {
    const incoming = blocks()
    incoming.expect(1, 'first', 1, 0, 2)
    incoming.expect(2, 'second', 1, 0, 2)
    incoming.receive(1, 1, bytes(1, 1))
    expect(incoming.receive(2, 1, bytes(9, 9))).toBe('done')
    const [block] = incoming.takeRange(0, 2) ?? []
    expect(block?.from).toBe('first')
    expect(block?.buffer.subarray(0, 2)).toEqual(bytes(1, 1))
  })

  it('takes a range only when all of it is there', () => {
    const incoming = blocks()
    incoming.expect(1, 'peer', 1, 0, 2)
    incoming.expect(1, 'peer', 2, 2, 2)
    incoming.receive(1, 1, bytes(1, 2))
    expect(incoming.takeRange(0, 4)).toBeUndefined()
    incoming.receive(1, 2, bytes(3, 4))
    expect(incoming.takeRange(0, 4)?.map(block => block.offset)).toEqual([0, 2])
  })

  it('says how much of a forgotten request was still to come', () => {
    const incoming = blocks()
    incoming.expect(1, 'peer', 1, 0, 6)
    incoming.receive(1, 1, bytes(1, 2))
    expect(incoming.forget(1, 1)).toBe(4)
    expect(incoming.forget(1, 1)).toBe(0)
  })
})
