import { multiaddr } from '@multiformats/multiaddr'
import { expect, it } from 'vitest'
import { MAX_PENDING, type Pending, PendingInbound } from '../../../src/node/host/pending-inbound.ts'

class Waiting extends EventTarget {
  readonly remoteAddr
  isEnded = false

  constructor(host: string) {
    super()
    this.remoteAddr = multiaddr(`/${host.includes(':') ? 'ip6' : 'ip4'}/${host}/tcp/4000`)
  }

  abort(): void {
    this.isEnded = true
    this.dispatchEvent(new Event('close'))
  }
}

function come(pending: PendingInbound, host: string, count = 1): Waiting[] {
  return Array.from({ length: count }, () => {
    const connection = new Waiting(host)
    pending.came(connection as unknown as Pending)
    return connection
  })
}

const ended = (connections: readonly Waiting[]) => connections.flatMap(({ isEnded }, at) => (isEnded ? at : []))

it('ends the oldest of the host that has most when there are too many', () => {
  const pending = new PendingInbound()
  const honest = come(pending, '192.0.2.1')
  const flood = come(pending, '192.0.2.2', MAX_PENDING - 1)
  expect(ended(flood)).toEqual([])
  const more = come(pending, '192.0.2.2', 3)
  expect(ended(flood)).toEqual([0, 1, 2])
  const late = come(pending, '192.0.2.3')
  expect(ended(flood)).toEqual([0, 1, 2, 3])
  expect(ended([...honest, ...more, ...late])).toEqual([])
  expect(pending.size).toBe(MAX_PENDING)
})

it('forgets those that said who they are, and those that left', () => {
  const pending = new PendingInbound()
  const [known, gone] = come(pending, '192.0.2.1', 2)
  pending.done(known as unknown as Pending)
  gone?.abort()
  expect(pending.size).toBe(0)
  come(pending, '192.0.2.2', MAX_PENDING + 1)
  expect(known?.isEnded).toBe(false)
})

it('ends those of the site that has most, though each comes from another host of it', () => {
  const pending = new PendingInbound()
  const honest = [...come(pending, '192.0.2.1', 2), ...come(pending, '2001:db8:2::1')]
  const flood = Array.from({ length: MAX_PENDING }, (_, at) => come(pending, `2001:db8:1:${at.toString(16)}::1`)).flat()
  expect(ended(flood)).toEqual([0, 1, 2])
  // within it the host that has most
  const [more] = come(pending, '2001:db8:1:50::2')
  expect(ended(flood)).toEqual([0, 1, 2, 0x50])
  expect(ended([...honest, ...(more === undefined ? [] : [more])])).toEqual([])
})
