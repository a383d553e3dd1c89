/** What a DHT node answers. */
import { decodeAnswer, MAX_PROVIDERS } from '../../src/dht/bounded-answers.ts'
import { K } from '../../src/dht/kad.ts'
import { MAX_ADDRS_OF_PEER } from '../../src/dht/message-bounds.ts'
import { claim, orDeclared, type Target } from '../target.ts'

const PEER = [10, 3, 0, 1, 7, 18, 8, 4, 192, 0, 2, 1, 6, 16, 64, 24, 1]

export const dhtAnswers: Target = {
  name: 'dht-answers',
  claims: 'any bytes: an answer of so many peers and addresses at most, or ERR_PROTOCOL',
  maxBytes: 1_024,
  seeds: () => [
    Uint8Array.from([8, 3, 18, 2, 1, 2, 66, PEER.length, ...PEER, 74, PEER.length, ...PEER, 80, 1]),
    Uint8Array.from([8, 4, ...Array.from({ length: 30 }, () => [66, PEER.length, ...PEER]).flat()]),
    Uint8Array.from([8, 5, 26, 1, 0])
  ],
  run: input => {
    const answer = orDeclared(['ERR_PROTOCOL'], () => decodeAnswer(input))
    if (answer === undefined) return
    claim(answer.closer.length <= K, `${answer.closer.length} nearer nodes`)
    claim(answer.providers.length <= MAX_PROVIDERS, `${answer.providers.length} providers`)
    for (const { multiaddrs } of [...answer.closer, ...answer.providers]) {
      claim(multiaddrs.length <= MAX_ADDRS_OF_PEER, `${multiaddrs.length} addresses`)
    }
  }
}
