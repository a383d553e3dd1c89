import { describe, expect, it } from 'vitest'
import { UploadQueue } from '../../../src/transfer/core/upload-queue.ts'

const BLOCK = 100

/** Queues pieces of four blocks each. */
function fill(queue: UploadQueue, session: number, pieces: readonly number[]): void {
  for (const piece of pieces) {
    for (let block = 0; block < 4; block++) {
      queue.enqueue({ session, id: piece * 4 + block, offset: (piece * 4 + block) * BLOCK, length: BLOCK, piece })
    }
  }
}

function drain(queue: UploadQueue, count: number, eligible?: (session: number) => boolean): string {
  let order = ''
  for (let i = 0; i < count; i++) {
    const upload = queue.next(eligible)
    order += upload === undefined ? '-' : `${upload.session}${upload.piece}`
    order += ' '
  }
  return order.trim()
}

describe('the upload queue', () => {
  it('finishes a piece before it begins the next, with one slot', () => {
    const queue = new UploadQueue(1)
    fill(queue, 1, [0, 1])
    fill(queue, 2, [5])
    expect(drain(queue, 13)).toBe('10 10 10 10 25 25 25 25 11 11 11 11 -')
  })

  it('serves those who got least', () => {
    const queue = new UploadQueue(2)
    fill(queue, 1, [0, 1, 2, 3])
    fill(queue, 2, [0, 1, 2, 3])
    fill(queue, 3, [0, 1, 2, 3])
    const bytes = new Map<number, number>()
    for (let i = 0; i < 24; i++) {
      const upload = queue.next()
      if (upload !== undefined) bytes.set(upload.session, (bytes.get(upload.session) ?? 0) + upload.length)
    }
    const counts = [...bytes.values()]
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(4 * BLOCK)
  })

  it('has at most so many pieces begun', () => {
    const queue = new UploadQueue(2)
    for (let session = 1; session <= 5; session++) fill(queue, session, [0])
    const begun = new Set<number>()
    for (let i = 0; i < 6; i++) begun.add(queue.next()?.session ?? 0)
    expect(begun.size).toBe(2)
  })

  it('does not stand still for one that cannot take data', () => {
    const queue = new UploadQueue(1)
    fill(queue, 1, [0])
    fill(queue, 2, [0])
    expect(drain(queue, 1)).toBe('10')
    expect(drain(queue, 2, session => session === 2)).toBe('20 20')
    expect(drain(queue, 1, () => false)).toBe('-')
  })

  it('gives a newcomer its share, not what it missed', () => {
    const queue = new UploadQueue(1)
    fill(queue, 1, [0, 1, 2, 3, 4, 5, 6, 7])
    drain(queue, 16)
    fill(queue, 2, [0, 1, 2, 3])
    expect(
      drain(queue, 16)
        .split(' ')
        .filter(upload => upload.startsWith('2')).length
    ).toBe(8)
  })

  it('forgets what is cancelled, and sessions that are over', () => {
    const queue = new UploadQueue()
    fill(queue, 1, [0])
    fill(queue, 2, [0])
    expect(queue.cancel(1, 0)).toBe(true)
    expect(queue.cancel(1, 0)).toBe(false)
    expect(queue.cancel(9, 0)).toBe(false)
    queue.dropSession(2)
    expect(queue.size).toBe(3)
    expect(drain(queue, 4)).toBe('10 10 10 -')
  })
})
