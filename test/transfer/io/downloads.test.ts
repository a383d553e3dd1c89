import { expect, it } from 'vitest'
import { MIB } from '../../../src/base/units.ts'
import { BufferPool } from '../../../src/transfer/io/buffer-pool.ts'
import type { DownloadGate } from '../../../src/transfer/io/download-gate.ts'
import { Downloads } from '../../../src/transfer/io/downloads.ts'
import { FetchFacts } from '../../../src/transfer/io/fetch-facts.ts'
import type { PeerSession } from '../../../src/transfer/io/peer-session.ts'
import type { RootLimiter } from '../../../src/transfer/io/root-limiter.ts'

/** A gate that lets nothing pass until `open`. */
class ClosedGate {
  readonly #waiting = new Set<() => void>()

  pass(_: unknown, send: () => void): () => void {
    this.#waiting.add(send)
    return () => this.#waiting.delete(send)
  }

  drop(): void {}

  open(): void {
    for (const send of this.#waiting) send()
  }
}

it('a request that was rejected before it was made is never made, and its rejection ends the session', () => {
  const gate = new ClosedGate()
  const limiter = { giveBack: () => {} } as unknown as RootLimiter
  const downloads = new Downloads(new BufferPool(MIB, 4), gate as unknown as DownloadGate, limiter)
  const said: string[] = []
  const session = {
    id: 1,
    peerId: 'liar',
    sendMessage: ({ type }: { type: string }) => said.push(type),
    goodbye: (code: string) => said.push(code)
  } as unknown as PeerSession
  for (const id of [1, 2]) downloads.request(session, { id, offset: id * MIB, length: MIB })
  downloads.rejected(session, 2)
  expect(said).toEqual(['protocol'])
  gate.open()
  // the other one; what comes for the rejected one belongs nowhere
  expect(said).toEqual(['protocol', 'request'])
  expect(downloads.receive(session, 2, new Uint8Array(1000))).toBe(false)
  expect(downloads.blocks.roomFor(1, 2)).toBeUndefined()
})

it('peers that left are counted, but not without end', () => {
  const facts = new FetchFacts()
  for (let at = 0; at < 5000; at++) facts.failed(`peer${at}`, 'went away')
  facts.failed('peer0', 'had no room')
  expect(facts.failures.get('went away')?.size).toBe(1000)
  expect(facts.failures.get('had no room')?.size).toBe(1)
})
