import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { SilentPeers } from '../../src/dht/silent-peers.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
})
afterEach(() => {
  vi.useRealTimers()
})

it('tells of each once, and again when it is silent anew', async () => {
  const peer = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
  let silent: PeerId[] = []
  const told: string[] = []
  const kept = new SilentPeers({ silent: () => silent, onSilent: one => told.push(one.toString()) })
  kept.start()
  vi.advanceTimersByTime(20_000)
  expect(told).toEqual([])
  silent = [peer]
  vi.advanceTimersByTime(20_000)
  expect(told).toHaveLength(1)
  silent = []
  vi.advanceTimersByTime(5_000)
  silent = [peer]
  vi.advanceTimersByTime(5_000)
  expect(told).toEqual([peer.toString(), peer.toString()])
  kept.stop()
  silent = []
  vi.advanceTimersByTime(5_000)
  silent = [peer]
  vi.advanceTimersByTime(60_000)
  expect(told).toHaveLength(2)
})
