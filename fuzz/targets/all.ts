import type { Target } from '../target.ts'
import { dagNodes, manifests } from './content.ts'
import { dhtAnswers } from './dht.ts'
import { rpcClient, rpcLines, rpcServer } from './rpc.ts'
import { sessions } from './session.ts'
import { dhtRecords, keyFiles, startRecords, storedRecords } from './stored.ts'
import { addresses, cids, links, names, numbers } from './text.ts'
import { muxerFrames, noiseMessages } from './transport.ts'
import { frames, messages } from './wire.ts'

export const TARGETS: readonly Target[] = [
  ...[frames, messages, sessions, dagNodes, manifests],
  ...[muxerFrames, noiseMessages],
  ...[links, cids, addresses, numbers, names],
  ...[rpcServer, rpcLines, rpcClient],
  ...[storedRecords, startRecords, keyFiles, dhtRecords, dhtAnswers]
]
