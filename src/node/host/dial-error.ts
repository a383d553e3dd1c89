/** Says in a user's words why a peer could not be reached. libp2p tells most of it in error names and texts. */
import { ShoalError, systemCode } from '../../base/errors.ts'

/** How far a dial came; tells a silent port from a closed one. */
export type DialStage = 'connecting' | 'handshake' | 'stream'

const BY_SYSTEM_CODE: Record<string, string> = {
  ECONNREFUSED: 'connection refused: nothing listens there',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was reset',
  ETIMEDOUT: 'timed out',
  EHOSTUNREACH: 'no route to that host',
  ENETUNREACH: 'no route to that network',
  EADDRNOTAVAIL: 'no route to that network',
  ENOTFOUND: 'no such host name',
  EAI_AGAIN: 'the host name could not be resolved'
}

/** As TLS and noise say it; libp2p hands on nothing but the text. */
const WRONG_PEER = /(\w+) does not match expected remote identity/

/** The peer ID of whoever answered instead of the one that was dialled. */
export function otherFound(err: unknown): string | undefined {
  return err instanceof Error ? WRONG_PEER.exec(err.message)?.[1] : undefined
}

/** This machine has no network, or none that leads there: no packet left it. */
const NOT_SENT: ReadonlySet<string | undefined> = new Set(['ENETUNREACH', 'ENETDOWN', 'EADDRNOTAVAIL'])

/** Whether anybody was asked to answer; of several addresses, one of them. */
export function wasSent(err: unknown): boolean {
  if (err instanceof AggregateError && err.errors.length > 0) return err.errors.some(wasSent)
  return !NOT_SENT.has(systemCode(err))
}

export function reasonOf(err: unknown, stage: DialStage): string {
  if (err instanceof AggregateError && err.errors.length > 0) {
    return [...new Set(err.errors.map(inner => reasonOf(inner, stage)))].slice(0, 3).join('; ')
  }
  const code = systemCode(err)
  if (code !== undefined && BY_SYSTEM_CODE[code] !== undefined) return BY_SYSTEM_CODE[code]
  const { name, message } = err instanceof Error ? err : { name: '', message: String(err) }
  const known = Object.keys(BY_SYSTEM_CODE).find(system => message.includes(system))
  if (WRONG_PEER.test(message)) return 'wrong peer ID: another node answers there'
  if (/dial self/i.test(message)) return 'that is this node itself'
  if (name === 'UnsupportedProtocolError' || /could not negotiate/.test(message)) {
    return stage === 'stream' ? 'it does not speak shoal' : 'not a libp2p node'
  }
  if (known !== undefined) return BY_SYSTEM_CODE[known] ?? known
  if (name === 'NoValidAddressesError') return 'no address of it is known'
  if (name === 'DialDeniedError') return 'dialling it is not allowed'
  if (name === 'TimeoutError' || name === 'AbortError' || /timed? ?out|aborted/i.test(message)) {
    return stage === 'handshake' ? 'timed out: something listens there, but it is not a libp2p node' : 'timed out'
  }
  if (name === 'EncryptionFailedError' || name === 'MuxerUnavailableError' || name === 'InvalidMessageError') {
    return 'not a libp2p node'
  }
  return message
}

export function unreachable(target: string, err: unknown, stage: DialStage): ShoalError {
  if (err instanceof ShoalError) return err
  const reason = reasonOf(err, stage)
  return new ShoalError('ERR_UNREACHABLE', `cannot reach ${target}: ${reason}`, {
    cause: err,
    hint: 'check the address, and that a shoal node is running there',
    details: { target, reason, isSent: wasSent(err) }
  })
}
