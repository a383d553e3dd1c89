import { expect, it } from 'vitest'
import { libraryLog } from '../../../src/node/host/quiet-log.ts'

it('says nothing, in any scope', () => {
  const log = libraryLog('')?.forComponent('libp2p:anything')
  const scoped = log?.newScope('stream')
  for (const one of [log, scoped]) {
    expect(one?.enabled).toBe(false)
    one?.('to %p', 'nobody')
    one?.error('%e', new Error('unheard'))
    one?.trace('trace')
  }
})

it("leaves libp2p's own where the environment asks for it", () => {
  expect(libraryLog('libp2p:*')).toBeUndefined()
})
