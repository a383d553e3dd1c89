/**
 * The control socket: whoever holds a data folder answers on it, for its owner's other terminals.
 *
 * Access is the file system's: the socket has mode 0600 from the moment it exists. There is no other authentication,
 * and nothing listens on a network. What a request started ends with its connection, but for a `share`, which was
 * handed over.
 */
import { chmod, lstat, unlink } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { isMainThread } from 'node:worker_threads'
import { fromSystemError, ShoalError, systemCode } from '../base/errors.ts'
import { type Logger, silentLogger } from '../base/log.ts'
import type { ShoalNode } from '../node/api.ts'
import { connectSocket } from './connect-socket.ts'
import { type NodeInfo, toWireError } from './messages.ts'
import { ServerConnection } from './server-connection.ts'
import { socketPath } from './socket-path.ts'

export const MAX_CONNECTIONS = 64
/** Over that, so many more at a time are told why they get no answer; the others are closed without a word. */
const MAX_TURNED_AWAY = 16
/** After `close`: for requests to answer that they were cancelled, and for clients to read it. */
const STOP_GRACE_MS = 1_000
const FLUSH_GRACE_MS = 500

export interface ServerOptions {
  dataDir: string
  /** What runs: `daemon`, `share`, `get` or `offline`. */
  mode: string
  log?: Logger
}

export interface RpcServer {
  /** Cancels what runs, lets clients read the answers, removes the socket. */
  close(): Promise<void>
}

/**
 * Call it only while holding the data folder's lock: a socket on which nobody answers is then stale and is replaced.
 * @throws ERR_LOCKED when another process answers on the socket; ERR_EXISTS where something else has its name
 */
export async function startServer(node: ShoalNode, options: ServerOptions): Promise<RpcServer> {
  const log = (options.log ?? silentLogger).scope('rpc')
  const path = await socketPath(options.dataDir, { create: true })
  if (path === undefined) {
    throw new ShoalError('ERR_PATH_NOT_FOUND', `no such folder: ${options.dataDir}`, { hint: 'check --data-dir' })
  }
  const info: NodeInfo = { mode: options.mode, pid: process.pid, dataDir: options.dataDir }
  const connections = new Set<ServerConnection>()
  let open = 0
  const server = createServer(socket => {
    if (open >= MAX_CONNECTIONS) return turnAway(socket)
    open += 1
    const connection = new ServerConnection(socket, { node, info, log })
    connections.add(connection)
    socket.on('close', () => {
      open -= 1
      connection.settled().then(
        () => connections.delete(connection),
        () => {}
      )
    })
  })
  server.maxConnections = MAX_CONNECTIONS + MAX_TURNED_AWAY
  await listenOrReplace(server, path)
  server.on('error', err => log.warn('control socket: %s', err.message))
  log.debug('answering on %s', path)

  let closing: Promise<void> | undefined
  const close = async () => {
    const closed = new Promise<void>(resolve => server.close(() => resolve()))
    const reason = new ShoalError('ERR_NOT_RUNNING', 'the node that did this was stopped', {
      hint: 'run the same command again to continue'
    })
    await withinGrace(Promise.all([...connections].map(connection => connection.stop(reason))))
    for (const connection of connections) connection.end(FLUSH_GRACE_MS)
    await closed
  }
  return {
    close: () => {
      closing ??= close()
      return closing
    }
  }
}

/** What it asks is not read, but taken in: a socket that is closed with bytes unread may take what it was told along. */
function turnAway(socket: Socket): void {
  const busy = new ShoalError('ERR_RPC', `the running node has ${MAX_CONNECTIONS} control connections already`, {
    hint: 'end a command that runs, or try again later'
  })
  socket.on('error', () => {})
  socket.resume()
  socket.end(`${JSON.stringify({ id: null, error: toWireError(busy) })}\n`)
  const timer = setTimeout(() => socket.destroy(), FLUSH_GRACE_MS)
  socket.on('close', () => clearTimeout(timer))
}

async function listenOrReplace(server: Server, path: string): Promise<void> {
  try {
    await listen(server, path)
  } catch (err) {
    if (systemCode(err) !== 'EADDRINUSE') throw fromSystemError(err, path)
    const other = await connectSocket(path)
    if (other !== undefined) {
      other.destroy()
      throw new ShoalError('ERR_LOCKED', `another process answers on ${path}`, {
        hint: 'stop it, or choose another --data-dir'
      })
    }
    try {
      if ((await lstat(path)).isSocket()) await unlink(path)
      else throw inTheWay(path)
      await listen(server, path)
    } catch (again) {
      throw fromSystemError(again, path)
    }
  }
}

function inTheWay(path: string): ShoalError {
  return new ShoalError('ERR_EXISTS', `${path} is no socket, and in the way of the control socket`, {
    hint: 'move it away, or choose another --data-dir',
    details: { path }
  })
}

/** The umask counts while the socket file is made, which `listen` does before it returns: no moment of open access. */
async function listen(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    const umask = isMainThread ? process.umask(0o177) : undefined
    try {
      server.listen(path, () => {
        server.off('error', reject)
        resolve()
      })
    } finally {
      if (umask !== undefined) process.umask(umask)
    }
  })
  await chmod(path, 0o600)
}

async function withinGrace(work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const grace = new Promise<void>(resolve => {
    timer = setTimeout(resolve, STOP_GRACE_MS)
  })
  await Promise.race([work, grace])
  clearTimeout(timer)
}
