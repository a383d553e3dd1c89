import { expect, it } from 'vitest'
import { FetchWatchers } from '../../src/node/fetch-watchers.ts'

const at = (offset: number) => ({ offset, length: 1 })

it('names what each reader waits for, who asked first before the others, and then what they read soon', () => {
  const watchers = new FetchWatchers({ onChanged: () => {}, onNone: () => {} })
  const [one, other] = [{}, {}]
  watchers.want(one, { waitedFor: [at(0)], soon: [at(1), at(2)] })
  watchers.want(other, { waitedFor: [at(10)], soon: [at(11)] })
  expect(watchers.wanted).toEqual({ ranges: [at(0), at(10), at(1), at(2), at(11)], waitedFor: 2 })
  watchers.want(one, { waitedFor: [at(1)], soon: [at(2)] })
  expect(watchers.wanted).toEqual({ ranges: [at(10), at(1), at(11), at(2)], waitedFor: 2 })
  watchers.want(other)
  expect(watchers.wanted).toEqual({ ranges: [at(1), at(2)], waitedFor: 1 })
})
