/** A connection to a Unix socket of the user's own, or the knowledge that nobody listens there. */
import { lstat, stat } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { fromSystemError, ShoalError, systemCode } from '../base/errors.ts'
import { requireOwner, requireUnshared } from '../node/owner-only.ts'

/**
 * Nothing is sent to a socket that somebody else could have put there: commands name the user's files.
 * @returns undefined when there is no socket, or a stale one
 * @throws ERR_NO_PERMISSION for a socket of somebody else, or in a folder that others write in; ERR_RPC
 */
export async function connectSocket(path: string): Promise<Socket | undefined> {
  const socket = connect(path)
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    requireOwner(await lstat(path), path)
    requireUnshared(await stat(dirname(path)), dirname(path))
    return socket
  } catch (err) {
    socket.destroy()
    if (err instanceof ShoalError) throw err
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
