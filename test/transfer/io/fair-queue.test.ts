import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FairQueue } from '../../../src/transfer/io/fair-queue.ts'

describe('FairQueue', () => {
  it('serves the one that got least', () => {
    const queue = new FairQueue<string>()
    for (const key of ['a', 'b', 'c']) queue.join(key)
    const order: string[] = []
    for (let i = 0; i < 8; i++) {
      const key = queue.next() ?? ''
      order.push(key)
      queue.served(key, key === 'a' ? 2 : 1)
    }
    expect(order.join('')).toBe('abcbcabc')
  })

  it('passes over who may not be served, and does not pay it out later', () => {
    const queue = new FairQueue<string>()
    for (const key of ['slow', 'a', 'b']) queue.join(key)
    for (let i = 0; i < 100; i++) queue.served(queue.next(key => key !== 'slow') ?? '', 10)
    const order: string[] = []
    for (let i = 0; i < 9; i++) {
      const key = queue.next() ?? ''
      order.push(key)
      queue.served(key, 10)
    }
    expect(order.filter(key => key === 'slow')).toHaveLength(3)
    expect(order[0]).toBe('slow')
  })

  it('gives nothing for a moment of absence', () => {
    const queue = new FairQueue<string>()
    queue.join('stays')
    const got = { stays: 0, leaves: 0 }
    for (let i = 0; i < 1000; i++) {
      queue.join('leaves')
      const key = queue.next() === 'stays' ? 'stays' : 'leaves'
      queue.served(key, 1)
      got[key] += 1
      queue.leave('leaves')
    }
    expect(Math.abs(got.stays - got.leaves)).toBeLessThan(3)
  })

  it('shares by weight', () => {
    const queue = new FairQueue<string>()
    queue.join('three')
    queue.join('one')
    const got = { three: 0, one: 0 }
    for (let i = 0; i < 400; i++) {
      const key = queue.next() === 'three' ? 'three' : 'one'
      got[key] += 1
      queue.served(key, 1, key === 'three' ? 3 : 1)
    }
    expect(got.three / got.one).toBeCloseTo(3, 1)
  })

  it('keeps whoever waits all the time within one grant of each other, whatever the others do', () => {
    const steps = fc.array(fc.tuple(fc.nat(4), fc.integer({ min: 1, max: 100 }), fc.boolean()), { maxLength: 300 })
    fc.assert(
      fc.property(steps, all => {
        const queue = new FairQueue<string>()
        const got = new Map([
          ['x', 0],
          ['y', 0]
        ])
        queue.join('x')
        queue.join('y')
        for (const [who, bytes, joins] of all) {
          if (joins) queue.join(`other ${who}`)
          else queue.leave(`other ${who}`)
          const key = queue.next() ?? ''
          queue.served(key, bytes)
          if (got.has(key)) got.set(key, (got.get(key) ?? 0) + bytes)
        }
        expect(Math.abs((got.get('x') ?? 0) - (got.get('y') ?? 0))).toBeLessThanOrEqual(100)
      })
    )
  })
})
