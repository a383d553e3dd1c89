import { expect, test } from 'vitest'
import { RecentMap } from '../../src/base/recent-map.ts'

test('forgets what was set longest ago, and counts what is set again as new', () => {
  const map = new RecentMap<string, number>(2).set('a', 1).set('b', 2).set('a', 3).set('c', 4)
  expect([...map]).toEqual([
    ['a', 3],
    ['c', 4]
  ])
  // reading an entry keeps it no longer
  expect(map.get('a')).toBe(3)
  map.set('d', 5)
  expect([...map.keys()]).toEqual(['c', 'd'])
  map.delete('c')
  expect([...map.set('e', 6).keys()]).toEqual(['d', 'e'])
})
