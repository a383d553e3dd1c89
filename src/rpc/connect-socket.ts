/** A connection to a Unix socket, or the knowledge that nobody listens there. */
import { connect, type Socket } from 'node:net'
import { fromSystemError, ShoalError, systemCode } from '../base/errors.ts'

/**
 * @returns undefined when there is no socket, or a stale one
 * @throws ERR_NO_PERMISSION for a socket of somebody else; ERR_RPC
 */
export async function connectSocket(path: string): Promise<Socket | undefined> {
  const socket = connect(path)
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return socket
  } catch (err) {
    socket.destroy()
    switch (systemCode(err)) {
      case 'ENOENT':
      case 'ECONNREFUSED':
      case 'ENOTDIR':
      case 'ENOTSOCK':
        return undefined
      case 'EACCES':
      case 'EPERM':
        throw fromSystemError(err, path)
      default:
        throw new ShoalError('ERR_RPC', `cannot reach the running node on ${path}: ${systemCode(err)}`, { cause: err })
    }
  } finally {
    socket.removeAllListeners('connect')
    socket.removeAllListeners('error')
  }
}
