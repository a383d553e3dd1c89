import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  describeHashing,
  describeTransfer,
  formatShare,
  renderHashing,
  renderTransfer
} from '../../../src/cli/render/progress.ts'
import { widthOf } from '../../../src/cli/render/text.ts'
import type { TransferSnapshot } from '../../../src/node/api.ts'
import { snapshotOf } from '../../helpers/fake-node.ts'

const at = (columns: number, unicode = true) => ({ columns, unicode })

describe('the bar of a transfer', () => {
  test.each([120, 80, 60, 40, 20])('%i columns', columns => {
    const lines = [
      snapshotOf({ state: 'finding', have: 0, size: 0, peers: 0, peersKnown: 2 }),
      snapshotOf({ state: 'manifest', have: 0, size: 0, peers: 1 }),
      snapshotOf({ have: 0, rate: 0, etaMs: null }),
      snapshotOf(),
      snapshotOf({ have: 97_399_999, piecesHave: 97, peers: 1, etaMs: 7_500_000 }),
      snapshotOf({ state: 'paused' }),
      snapshotOf({ state: 'finishing', have: 97_400_000, piecesHave: 98 })
    ].map(snapshot => renderTransfer(snapshot, at(columns)))
    expect(lines.join('\n')).toMatchSnapshot()
    for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(columns)
  })

  test('without unicode', () => {
    expect(renderTransfer(snapshotOf(), at(80, false))).toBe(
      '  45% #######---------- 44.1/97.4 MB  118 MB/s  ETA 0.5 s  3 peers  42/98 pieces'
    )
  })

  test('it fits, whatever is told', () => {
    const state = fc.constantFrom<TransferSnapshot['state']>('finding', 'manifest', 'fetching', 'finishing', 'paused')
    const changes = fc.record({
      state,
      name: fc.string({ unit: 'grapheme' }),
      have: fc.maxSafeNat(),
      size: fc.maxSafeNat(),
      pieces: fc.nat(),
      piecesHave: fc.nat(),
      peers: fc.nat(1000),
      rate: fc.maxSafeNat(),
      etaMs: fc.option(fc.maxSafeNat())
    })
    fc.assert(
      fc.property(changes, fc.integer({ min: 19, max: 200 }), (change, columns) => {
        const line = renderTransfer(snapshotOf({ ...change, have: Math.min(change.have, change.size) }), at(columns))
        expect(widthOf(line)).toBeLessThanOrEqual(columns)
        expect(line).not.toMatch(/[\n\r]/)
      })
    )
  })
})

test('a transfer in words, for a log', () => {
  expect(describeTransfer(snapshotOf())).toBe('45%  44.1/97.4 MB  118 MB/s  ETA 0.5 s  3 peers  42/98 pieces')
  const problem = { code: 'ERR_NO_SPACE', message: 'no space left for /disk/film' }
  expect(describeTransfer(snapshotOf({ state: 'paused', problem }))).toBe(
    '45%  44.1/97.4 MB  paused  3 peers  42/98 pieces  no space left for /disk/film'
  )
  expect(describeTransfer(snapshotOf({ state: 'finding', size: 0, peers: 0 }))).toBe(
    'looking for peers: 5 found, 0 connected  film.mkv'
  )
})

test('the bar of hashing', () => {
  const state = { bytes: 500_000_000, totalBytes: 1_000_000_000, rate: 1_100_000_000, etaMs: 455, label: 'film.mkv' }
  expect([80, 40].map(columns => renderHashing(state, at(columns))).join('\n')).toMatchSnapshot()
  expect(describeHashing(state)).toBe('film.mkv  50%  0.50/1.00 GB  1.10 GB/s  ETA 0.5 s')
})

test('a share of a size is told in the unit of the size', () => {
  expect(formatShare(44_100_000, 97_400_000)).toBe('44.1/97.4 MB')
  expect(formatShare(0, 97_400_000)).toBe('0.00/97.4 MB')
  expect(formatShare(1, 2)).toBe('1/2 B')
  expect(formatShare(1_000_000, 2_500_000_000)).toBe('0.00/2.50 GB')
  expect(formatShare(97_400_000, 97_400_000)).toBe('97.4 MB')
})
