import { describe, expect, it } from 'vitest'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../../src/base/units.ts'
import { MAX_KNOWN_PEERS, PeerPool } from '../../../src/transfer/core/peer-pool.ts'

const peer = (id: string, ...addrs: string[]) => ({ id, addrs, seeder: false })

function poolOf(...ids: string[]): PeerPool {
  const pool = new PeerPool('self')
  for (const id of ids) pool.add(peer(id), 'found', 0)
  return pool
}

const ids = (peers: ReadonlyArray<{ id: string }>) => peers.map(({ id }) => id)

describe('the peer pool', () => {
  it('dials each peer once, and never ourselves', () => {
    const pool = poolOf('a', 'b', 'self')
    expect(ids(pool.takeDials(10, 0)).sort()).toEqual(['a', 'b'])
    expect(pool.takeDials(10, 1)).toEqual([])
    expect(pool.pending(1)).toBe(2)
  })

  it('backs off, longer each time', () => {
    const pool = poolOf('a')
    let now = 0
    const waits: number[] = []
    for (let i = 0; i < 4; i++) {
      const since = now
      while (pool.takeDials(1, now).length === 0) now += SECOND_MS
      waits.push((now - since) / SECOND_MS)
      pool.dialFailed('a', now)
    }
    expect(waits).toEqual([0, 5, 10, 20])
  })

  it('waits seconds after dials that had no network, however many', () => {
    const pool = poolOf('a')
    pool.add(peer('rumour'), 'pex', 0)
    let now = 0
    for (; now < HOUR_MS; now += SECOND_MS) {
      for (const { id } of pool.takeDials(2, now)) pool.dialFailed(id, now, { isSent: false })
    }
    expect(ids(pool.takeDials(2, now + 20 * SECOND_MS)).sort()).toEqual(['a', 'rumour'])
    pool.dialFailed('a', now)
    expect(pool.takeDials(1, now + 20 * SECOND_MS)).toEqual([])
  })

  it('forgets one from peer exchange that never answers, not one that the user named', () => {
    const pool = poolOf('named')
    pool.add(peer('rumour'), 'pex', 0)
    for (let i = 0, now = 0; i < 6; i++, now += HOUR_MS) {
      for (const { id } of pool.takeDials(5, now)) pool.dialFailed(id, now)
    }
    expect(ids(pool.takeDials(5, 100 * HOUR_MS))).toEqual(['named'])
  })

  it('dials those first that are likely to answer', () => {
    const pool = poolOf('c', 'b')
    pool.add(peer('a'), 'pex', 0)
    const [first = ''] = ids(pool.takeDials(1, 0))
    pool.dialFailed(first, 0)
    expect(ids(pool.takeDials(3, HOUR_MS))).toEqual([first === 'b' ? 'c' : 'b', 'a', first])
  })

  it('leaves a connected peer alone, and waits after it left', () => {
    const pool = poolOf('a')
    pool.takeDials(1, 0)
    pool.connected('a', 0)
    expect(pool.takeDials(1, HOUR_MS)).toEqual([])
    pool.disconnected('a', HOUR_MS, 5000)
    expect(pool.takeDials(1, HOUR_MS + 4999)).toEqual([])
    expect(ids(pool.takeDials(1, HOUR_MS + 5000))).toEqual(['a'])
  })

  it('does not wait for a dial that nobody reports on for ever', () => {
    const pool = poolOf('a')
    pool.takeDials(1, 0)
    expect(pool.takeDials(1, 61 * SECOND_MS).length).toBe(1)
  })

  it('dials the others first while dials are lost or wait for their turn', () => {
    const pool = poolOf('a', 'b')
    const lost = ids(pool.takeDials(2, 0))
    pool.add(peer('rumour'), 'pex', 0)
    expect(ids(pool.takeDials(1, 61 * SECOND_MS))).toEqual(['rumour'])
    pool.connected('rumour', 61 * SECOND_MS)
    expect(ids(pool.takeDials(2, 62 * SECOND_MS)).sort()).toEqual(lost.sort())
  })

  it('gathers addresses, at most eight, the better source first', () => {
    const pool = new PeerPool('self')
    pool.add(peer('a', '/ip4/10.0.0.1/tcp/1'), 'pex', 0)
    pool.add(peer('a', '/ip4/10.0.0.2/tcp/1', '/ip4/10.0.0.1/tcp/1'), 'found', 0)
    expect(pool.addrsOf('a')).toEqual(['/ip4/10.0.0.2/tcp/1', '/ip4/10.0.0.1/tcp/1'])
    for (let i = 0; i < 20; i++) pool.add(peer('a', `/ip4/10.0.1.${i}/tcp/1`), 'pex', 0)
    expect(pool.addrsOf('a').length).toBe(8)
  })

  it('refuses the banned, for a time', () => {
    const pool = poolOf('a')
    pool.ban('a', 0)
    pool.add(peer('a'), 'found', 1)
    expect(pool.takeDials(1, 1)).toEqual([])
    pool.add(peer('a'), 'found', HOUR_MS)
    expect(pool.takeDials(1, HOUR_MS).length).toBe(1)
  })

  it('stays small', () => {
    const pool = poolOf('named')
    for (let i = 0; i < 5000; i++) pool.add(peer(`p${i}`), 'pex', 0)
    expect(pool.size).toBe(MAX_KNOWN_PEERS)
    pool.add(peer('late'), 'found', 0)
    expect(ids(pool.takeDials(2, 0)).sort()).toEqual(['late', 'named'])
  })
})

describe('where a hundred names are found every 15 s, and dials of them take 16 s', () => {
  /** @returns when `real`, found first, and again each time, is dialled; its dials fail `failures` times */
  function dialledAtMs(real: string, failures: number, pool = poolOf(real)): number {
    const underWay: { id: string; endsMs: number }[] = []
    let failed = 0
    for (let now = 0; now <= HOUR_MS; now += SECOND_MS) {
      if (now % (15 * SECOND_MS) === 0)
        for (let i = 0; i < 100; i++) pool.add(peer(i === 50 && now > 0 ? real : `nobody ${now} ${i}`), 'found', now)
      for (let dial = underWay[0]; dial !== undefined && dial.endsMs <= now; dial = underWay[0]) {
        underWay.shift()
        pool.dialFailed(dial.id, now)
      }
      for (const { id } of pool.takeDials(8 - underWay.length, now, 'affinity')) {
        if (id === real && failed++ === failures) return now
        underWay.push({ id, endsMs: now + 16 * SECOND_MS })
      }
    }
    return Number.POSITIVE_INFINITY
  }

  it.each(['a', 'b', 'c', 'd', 'e', 'f'])('the one that was found before is dialled soon: %s', id => {
    expect(dialledAtMs(id, 0)).toBeLessThanOrEqual(32 * SECOND_MS)
  })

  it.each(['a', 'b', 'c'])('one whose dial failed has its turn again: %s', id => {
    expect(dialledAtMs(id, 1)).toBeLessThanOrEqual(MINUTE_MS)
    expect(dialledAtMs(id, 5)).toBeLessThanOrEqual(10 * MINUTE_MS)
  })

  it.each(['a', 'b', 'c'])('one that is found when the pool is full of names is dialled soon: %s', id => {
    const full = poolOf(...Array.from({ length: MAX_KNOWN_PEERS }, (_, i) => `nobody ${i}`))
    expect(dialledAtMs(id, 0, full)).toBeLessThanOrEqual(MINUTE_MS)
  })
})

describe('a peer that ended its session', () => {
  it('is dialled again when there is something to fetch anew', () => {
    const pool = poolOf('a')
    pool.takeDials(1, 0)
    pool.connected('a', 0)
    pool.greeted('a', 0)
    pool.disconnected('a', 0, HOUR_MS)
    pool.add(peer('a'), 'found', 1000)
    expect(pool.takeDials(1, 1000)).toEqual([])
    pool.wake(2000)
    expect(ids(pool.takeDials(1, 2000))).toEqual(['a'])
  })

  it('before it said hello backs off like one that does not answer', () => {
    const pool = poolOf('a')
    for (const wait of [5000, 10_000, 20_000]) {
      pool.wake(0)
      const now = 1e6 * wait
      pool.takeDials(1, now)
      pool.connected('a', now)
      pool.disconnected('a', now, 1000)
      pool.dialFailed('a', now)
      expect(pool.takeDials(1, now + wait - 1)).toEqual([])
      expect(pool.takeDials(1, now + wait).length).toBe(1)
    }
  })
})
