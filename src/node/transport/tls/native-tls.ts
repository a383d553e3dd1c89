/**
 * libp2p's TLS, `/tls/1.0.0`, by the runtime's own stack: https://github.com/libp2p/specs/blob/master/tls/tls.md. On a
 * plain TCP connection it takes the socket over, so that no byte of ciphertext passes through JavaScript; on any other
 * it runs over the stream.
 *
 * TLS 1.3 alone, both sides show a certificate, sessions are never resumed. The muxer is agreed on in the handshake
 * where the other side does that too: one round trip less.
 */
import type { SecureContext, TLSSocket } from 'node:tls'
import {
  type ConnectionEncrypter,
  type MessageStream,
  type PeerId,
  type PrivateKey,
  type SecureConnectionOptions,
  type SecuredConnection,
  type StreamMuxerFactory,
  serviceCapabilities
} from '@libp2p/interface'
import { ShoalError } from '../../../base/errors.ts'
import { rawTcp } from '../raw-tcp.ts'
import { streamDuplex } from '../stream-duplex.ts'
import { handshake, startTls, type TlsInit } from './handshake.ts'
import { identityContext } from './identity.ts'
import { finish, TlsStream } from './tls-stream.ts'
import { verifyCertificate } from './verify-certificate.ts'

export const PROTOCOL = '/tls/1.0.0'
/** Says in a handshake that the muxer is agreed on afterwards. */
const NO_MUXER = 'libp2p'
/** Where the caller gives no signal. */
const HANDSHAKE_TIMEOUT_MS = 10_000

interface NativeTlsComponents {
  privateKey: PrivateKey
  upgrader: { getStreamMuxers(): Map<string, StreamMuxerFactory> }
}

/** For `connectionEncrypters` of libp2p. */
export function nativeTls(): (components: NativeTlsComponents) => ConnectionEncrypter {
  return components => new NativeTls(components)
}

class NativeTls implements ConnectionEncrypter {
  readonly protocol = PROTOCOL
  readonly [Symbol.toStringTag] = 'shoal/native-tls'
  readonly [serviceCapabilities] = ['@libp2p/connection-encryption']
  readonly #components: NativeTlsComponents
  /** Made for the first handshake; the start does not wait for it. */
  #context: Promise<SecureContext> | undefined

  constructor(components: NativeTlsComponents) {
    this.#components = components
  }

  secureInbound(connection: MessageStream, options?: SecureConnectionOptions): Promise<SecuredConnection> {
    return this.#secure(connection, true, options)
  }

  secureOutbound(connection: MessageStream, options?: SecureConnectionOptions): Promise<SecuredConnection> {
    return this.#secure(connection, false, options)
  }

  async #secure(
    connection: MessageStream,
    isServer: boolean,
    options: SecureConnectionOptions = {}
  ): Promise<SecuredConnection> {
    const signal = options.signal ?? AbortSignal.timeout(HANDSHAKE_TIMEOUT_MS)
    // No further muxer where the caller agrees on it itself.
    const muxers =
      options.skipStreamMuxerNegotiation === true
        ? new Map<string, StreamMuxerFactory>()
        : this.#components.upgrader.getStreamMuxers()
    this.#context ??= identityContext(this.#components.privateKey)
    let tls: TLSSocket | undefined
    try {
      const secureContext = await this.#context
      tls = await attach(connection, { isServer, secureContext, protocols: [...muxers.keys(), NO_MUXER] }, signal)
      const remotePeer = await verifyCertificate((await handshake(tls, signal)).raw, Date.now())
      checkExpected(remotePeer, options.remotePeer)
      if (connection.status !== 'open') throw new ShoalError('ERR_UNREACHABLE', 'the connection ended in the handshake')
      const streamMuxer = typeof tls.alpnProtocol === 'string' ? muxers.get(tls.alpnProtocol) : undefined
      return {
        connection: new TlsStream(tls, connection),
        remotePeer,
        ...(streamMuxer === undefined ? {} : { streamMuxer })
      }
    } catch (err) {
      connection.abort(err instanceof Error ? err : new ShoalError('ERR_ABORTED', 'the handshake was cut short'))
      tls?.destroy()
      throw err
    }
  }
}

async function attach(connection: MessageStream, init: TlsInit, signal: AbortSignal): Promise<TLSSocket> {
  signal.throwIfAborted()
  const raw = rawTcp(connection)
  if (raw === undefined) return watched(startTls(streamDuplex(connection), init), connection)
  await raw.sent(signal)
  if (connection.status !== 'open') throw new ShoalError('ERR_UNREACHABLE', 'the connection ended before the handshake')
  let tls: TLSSocket | undefined
  raw.handOver({
    close: async options => {
      if (tls !== undefined) await finish(tls, options)
    },
    get isEnding() {
      return tls?.writableEnded ?? false
    }
  })
  tls = watched(startTls(raw.socket, init), connection)
  return tls
}

/** From the first moment to the last: an error without a listener would end the process. */
function watched(tls: TLSSocket, connection: MessageStream): TLSSocket {
  return tls.on('error', err => connection.abort(err))
}

function checkExpected(remotePeer: PeerId, expected: PeerId | undefined): void {
  if (expected === undefined || expected.equals(remotePeer)) return
  throw new ShoalError(
    'ERR_PROTOCOL',
    `the key of ${remotePeer.toString()} does not match expected remote identity ${expected.toString()}`
  )
}
