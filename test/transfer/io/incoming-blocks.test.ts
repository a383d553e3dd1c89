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

  it('says where the next bytes of a request belong, and copies none that lie there', () => {
    const incoming = blocks()
    expect(incoming.roomFor(1, 7)).toBeUndefined()
    incoming.expect(1, 'peer', 7, 100, 6)
    incoming.receive(1, 7, bytes(1, 2))
    const room = incoming.roomFor(1, 7)
    expect(room?.byteLength).toBe(4)
    room?.set([3, 4])
    expect(incoming.receive(1, 7, room?.subarray(0, 2) ?? bytes())).toBe('more')
    // others may come another way
    expect(incoming.receive(1, 7, bytes(5))).toBe('more')
    expect(incoming.roomFor(1, 7)?.byteLength).toBe(1)
    expect(incoming.receive(1, 7, bytes(6))).toBe('done')
    const [block] = incoming.takeRange(100, 106) ?? []
    expect(block?.buffer.subarray(0, 6)).toEqual(bytes(1, 2, 3, 4, 5, 6))
  })

  it('gives no other request a buffer that may still be written to', () => {
    const incoming = blocks()
    incoming.expect(1, 'peer', 6, 50, 4)
    incoming.expect(1, 'peer', 7, 100, 4)
    incoming.expect(1, 'peer', 8, 200, 4)
    // whose bytes come next is asked again only when the last room is full, or left
    const left = incoming.roomFor(1, 6)
    const room = incoming.roomFor(1, 7)
    incoming.forget(1, 7)
    incoming.forgetSession(1)
    const next = [10, 11, 12].map(id => {
      incoming.expect(2, 'other', id, id * 4, 4)
      return incoming.roomFor(2, id)?.buffer
    })
    expect(next).not.toContain(room?.buffer)
    expect(next).toContain(left?.buffer)
    expect(incoming.receive(1, 7, room?.subarray(0, 2) ?? bytes())).toBe('unexpected')
  })
})
