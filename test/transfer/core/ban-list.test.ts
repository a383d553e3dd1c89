import { describe, expect, it } from 'vitest'
import { BAN_MS, BanList } from '../../../src/transfer/core/ban-list.ts'

describe('the ban list', () => {
  it('decays, and doubles with each repetition', () => {
    const bans = new BanList()
    expect(bans.ban('a', 0)).toBe(BAN_MS)
    expect(bans.isBanned('a', BAN_MS - 1)).toBe(true)
    expect(bans.isBanned('a', BAN_MS)).toBe(false)
    expect(bans.isBanned('b', 0)).toBe(false)
    expect(bans.ban('a', BAN_MS)).toBe(BAN_MS * 3)
    expect(bans.count(BAN_MS)).toBe(1)
    expect(bans.ban('a', BAN_MS * 100)).toBe(BAN_MS * 101)
  })

  it('stays small', () => {
    const bans = new BanList()
    for (let i = 0; i < 20_000; i++) bans.ban(`peer${i}`, i)
    expect(bans.count(20_000)).toBe(10_000)
    expect(bans.isBanned('peer19999', 20_000)).toBe(true)
  })
})
