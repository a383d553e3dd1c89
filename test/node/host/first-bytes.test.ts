import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { ComponentLogger, ConnectionEncrypter, MessageStream, SecuredConnection } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { afterEach, expect, it } from 'vitest'
import { MAX_FIRST_BYTES } from '../../../src/node/transport/first-bytes.ts'
import { nativeTls } from '../../../src/node/transport/tls/native-tls.ts'
import { addrOf, host, until } from './test-hosts.ts'

let stranger: Libp2p | undefined

afterEach(async () => {
  await stranger?.stop()
  stranger = undefined
})

interface Parts {
  logger: ComponentLogger
}

const ENCRYPTERS = { tls: nativeTls(), noise: noise() }

/** Dials as any node does, and says something of its own once it is encrypted. */
async function dial(
  encryption: keyof typeof ENCRYPTERS,
  addr: string,
  say: (connection: MessageStream, below: MessageStream) => void,
  muxers = [yamux()]
) {
  stranger = await createLibp2p<Record<string, never>>({
    transports: [tcp()],
    connectionEncrypters: [
      (components: Parts): ConnectionEncrypter => {
        const made = ENCRYPTERS[encryption](components as never)
        const outbound = made.secureOutbound.bind(made)
        made.secureOutbound = async (connection, options) => {
          const secured: SecuredConnection = await outbound(connection, {
            ...options,
            skipStreamMuxerNegotiation: muxers.length === 0
          })
          say(secured.connection, connection)
          return secured as never
        }
        return made
      }
    ],
    streamMuxers: muxers
  })
  return await stranger.dial(multiaddr(addr))
}

it.each(['tls', 'noise'] as const)('a length that never ends ends the connection, within %s', async encryption => {
  const victim = await host({ handshakeTimeoutMs: 600_000 })
  const endless = new Uint8Array(4 * MAX_FIRST_BYTES).fill(0xff)
  let isClosed = false
  // without a muxer that could be agreed on amid the handshake
  const dialled = dial(
    encryption,
    addrOf(victim),
    (connection, below) => {
      below.addEventListener('close', () => {
        isClosed = true
      })
      connection.send(endless)
    },
    []
  )
  await Promise.allSettled([dialled, until('the victim has closed it', () => isClosed, 5_000)])
  expect(isClosed).toBe(true)
})

it.each(['lean', 'stock'] as const)('what comes once the %s muxer is agreed on is its own affair', async muxer => {
  const victim = await host({ muxer })
  let received = 0
  await victim.libp2p.handle('/sink', stream => {
    stream.addEventListener('message', ({ data }) => {
      received += data.byteLength
    })
  })
  const connection = await dial('tls', addrOf(victim), () => {})
  const stream = await connection.newStream('/sink')
  const bytes = 8 * MAX_FIRST_BYTES
  if (!stream.send(new Uint8Array(bytes))) await stream.onDrain()
  await until('all has come', () => received === bytes)
})
