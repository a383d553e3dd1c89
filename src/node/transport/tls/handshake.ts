/** One TLS handshake, from the socket to the peer's certificate. */
import type { X509Certificate } from 'node:crypto'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect, type SecureContext, TLSSocket } from 'node:tls'
import { ShoalError } from '../../../base/errors.ts'

/**
 * What the socket takes before its writer waits: two data frames of a slow swarm, one of a fast one. Of several each but
 * the first is copied, as they are gathered for one write, and a control message waits longer behind them.
 */
const HIGH_WATER_BYTES = 192 * 1024

export interface TlsInit {
  isServer: boolean
  secureContext: SecureContext
  /** In the order of preference; the dialer's counts. */
  protocols: readonly string[]
}

/** Must be called in the turn in which the socket was handed over: it reads from the next one on. */
export function startTls(below: Socket | Duplex, { isServer, secureContext, protocols }: TlsInit): TLSSocket {
  // Whom to believe is decided by the libp2p extension, not by an authority.
  const shared = { secureContext, rejectUnauthorized: false, highWaterMark: HIGH_WATER_BYTES }
  if (!isServer) return connect({ ...shared, socket: below, ALPNProtocols: [...protocols] })
  const socket = below as Socket
  return new TLSSocket(socket, {
    ...shared,
    isServer: true,
    requestCert: true,
    // undefined ends the handshake with an alert
    ALPNCallback: offered => offered.protocols.find(protocol => protocols.includes(protocol))
  })
}

/**
 * The certificate that the peer showed and has the key of, once both sides agree on the session's keys.
 * @throws ERR_UNREACHABLE when the connection ends or TLS fails, ERR_PROTOCOL, or the reason of the signal. The socket is the caller's
 * to destroy then.
 */
export async function handshake(tls: TLSSocket, signal: AbortSignal): Promise<X509Certificate> {
  await secured(tls, signal)
  const certificate = tls.getPeerX509Certificate()
  if (certificate === undefined) throw new ShoalError('ERR_PROTOCOL', 'the peer showed no certificate')
  // The list of those that came: Node puts the certificate itself into it on the dialer's side.
  for (let other = certificate.issuerCertificate; other !== undefined; other = other.issuerCertificate) {
    if (!other.raw.equals(certificate.raw)) {
      throw new ShoalError('ERR_PROTOCOL', 'the peer showed more than one certificate')
    }
  }
  return certificate
}

function secured(tls: TLSSocket, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (err?: unknown): void => {
      signal.removeEventListener('abort', onAbort)
      tls.removeListener('secure', onSecure)
      tls.removeListener('error', onError)
      tls.removeListener('close', onClose)
      if (err === undefined) resolve()
      else reject(err)
    }
    // OpenSSL is still reading when it says so, and what waits for a promise would run inside of that: whoever destroys
    // the socket there takes the session from under OpenSSL, and the process ends with a segmentation fault.
    const onSecure = () => setImmediate(settle)
    const onAbort = () => settle(signal.reason)
    const onError = (cause: Error) => {
      const reason = 'reason' in cause && typeof cause.reason === 'string' ? cause.reason : cause.message
      settle(new ShoalError('ERR_UNREACHABLE', `the TLS handshake failed: ${reason}`, { cause }))
    }
    const onClose = () => settle(new ShoalError('ERR_UNREACHABLE', 'the connection ended in the TLS handshake'))
    signal.addEventListener('abort', onAbort)
    tls.once('secure', onSecure)
    tls.once('error', onError)
    tls.once('close', onClose)
    if (signal.aborted) onAbort()
  })
}
