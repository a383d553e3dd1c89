import { expect, it } from 'vitest'
import { MAX_OFFENCES, OFFENCE_MEMORY_MS, Offences } from '../../../src/transfer/core/offences.ts'

it('who breaks rules again and again is found out; old offences are forgotten', () => {
  const offences = new Offences()
  for (let at = 0; at < MAX_OFFENCES; at++) expect(offences.add('a', at)).toBe(false)
  expect(offences.add('b', 10)).toBe(false)
  expect(offences.add('a', 10)).toBe(true)
  expect(offences.add('a', 11)).toBe(false)
  for (let at = 0; at < 100; at++) expect(offences.add('c', (at * OFFENCE_MEMORY_MS) / MAX_OFFENCES)).toBe(false)
})
