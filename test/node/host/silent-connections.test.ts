import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Connection, PeerId } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { expect, it } from 'vitest'
import { silentPeers } from '../../../src/node/host/silent-connections.ts'
import { YamuxMuxer } from '../../../src/node/transport/yamux/muxer.ts'

const muxer = (unansweredMs: number) => Object.create(YamuxMuxer.prototype, { unansweredMs: { value: unansweredMs } })

it('names those all of whose connections wait for an answer, and nobody of whom nothing is known', async () => {
  const peers = await Promise.all(
    Array.from({ length: 4 }, async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519')))
  )
  const [silent, answers, halfSilent, unknown] = peers as [PeerId, PeerId, PeerId, PeerId]
  const connections = [
    { remotePeer: silent, muxer: muxer(10_000) },
    { remotePeer: silent, muxer: muxer(60_000) },
    { remotePeer: answers, muxer: muxer(9_999) },
    { remotePeer: halfSilent, muxer: muxer(60_000) },
    { remotePeer: halfSilent, muxer: muxer(0) },
    { remotePeer: unknown, muxer: { unansweredMs: 60_000 } },
    { remotePeer: unknown }
  ] as unknown as Connection[]
  expect(silentPeers({ getConnections: () => connections }).map(String)).toEqual([silent.toString()])
})
