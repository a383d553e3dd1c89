/**
 * The node that a command acts through: the one that runs on this data folder, found by its control socket, or one of
 * its own, which then answers on that socket for as long as it lives.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { ShoalError, throwIfAborted } from '../base/errors.ts'
import type { LimitChange, NodeOptions, ShoalNode } from '../node/api.ts'
import type { RemoteNode } from '../rpc/client.ts'
import type { NodeInfo } from '../rpc/messages.ts'
import type { RpcServer } from '../rpc/server.ts'
import type { CommandContext } from './context.ts'

/** Someone has the folder's lock and does not answer yet: it starts, or it is an `ls` that is over in a moment. */
const LOCK_PATIENCE_MS = 3_000
const LOCK_RETRY_MS = 100

export interface SessionOptions {
  /** What runs when no other process does: a node with a network and control socket, or one without. */
  mode: 'daemon' | 'share' | 'get' | 'offline'
  dht?: 'server' | 'client'
  /** Offline: answer the control socket all the same, because this takes long. */
  answers?: boolean
}

export type Session = RemoteSession | OwnSession

export interface RemoteSession {
  kind: 'remote'
  node: RemoteNode
  info: NodeInfo
  close(): Promise<void>
}

export interface OwnSession {
  kind: 'own'
  node: ShoalNode
  /** Without a network: what it takes in, the next node on this data folder serves. */
  isOffline: boolean
  /** Stops the node. */
  close(): Promise<void>
}

/** @throws ERR_LOCKED when another process has the data folder and does not do this for us */
export async function openSession(context: CommandContext, options: SessionOptions): Promise<Session> {
  const { dataDir } = context.globals
  const deadline = performance.now() + LOCK_PATIENCE_MS
  for (;;) {
    throwIfAborted(context.signal)
    const remote = await connect(context)
    if (remote !== undefined) return remote
    try {
      return await startOwn(context, options)
    } catch (err) {
      const locked = err instanceof ShoalError && err.code === 'ERR_LOCKED'
      if (!locked || performance.now() > deadline) throw err
      context.log.debug('%s is locked and nobody answers for it yet', dataDir)
    }
    await delay(LOCK_RETRY_MS, undefined, { signal: context.signal })
  }
}

/** The node that runs on this data folder. */
export async function connect({ io, globals }: CommandContext): Promise<RemoteSession | undefined> {
  const remote: RemoteNode | undefined = await io.load.connectNode(globals.dataDir)
  if (remote === undefined) return undefined
  const close = async () => remote.close()
  return { kind: 'remote', node: remote, info: remote.info, close }
}

/**
 * Limits of single shares and fetches: all of `--up` and `--down` where another process does it, nothing where this
 * command's own node is limited as a whole.
 */
export function limitsOfTransfer({ globals }: CommandContext, session: Session): LimitChange {
  return session.kind === 'own' && !session.isOffline ? {} : globals.limits
}

/** @throws ERR_NOT_RUNNING @param consequence of there being no node */
export async function connectRunning(context: CommandContext, consequence: string): Promise<RemoteSession> {
  const session = await connect(context)
  if (session !== undefined) return session
  throw new ShoalError('ERR_NOT_RUNNING', `no node is running on ${context.globals.dataDir}, ${consequence}`, {
    hint: 'start one with shoal daemon'
  })
}

export function lockedBy(info: NodeInfo, hint: string): ShoalError {
  const who = info.mode === 'offline' ? 'another shoal command' : `shoal ${info.mode}`
  return new ShoalError('ERR_LOCKED', `${info.dataDir} is held by ${who} (pid ${info.pid})`, {
    hint,
    details: { mode: info.mode, pid: info.pid, dataDir: info.dataDir }
  })
}

/**
 * Gives a node that runs already what it can still be given: peers. Says which options come too late for it. What
 * `--up` and `--down` say goes with the share or fetch itself.
 * @throws ERR_LOCKED when it has no network, and so cannot do this for us
 */
export async function handTo(context: CommandContext, { node, info }: RemoteSession): Promise<void> {
  const { globals, out, signal } = context
  if (info.mode === 'offline') throw lockedBy(info, 'wait until it is done, and run the same command again')
  for (const name of ['listen', 'announce'] as const) {
    if (globals[name].length === 0) continue
    out.warn(`--${name} has no effect: shoal ${info.mode} (pid ${info.pid}) runs already and does this`)
  }
  if (globals.maxStorage !== undefined) {
    out.warn(
      `--max-storage has no effect: shoal ${info.mode} (pid ${info.pid}) runs already and has a limit of its own, which shoal limit --max-storage changes`
    )
  }
  for (const peer of globals.peers) {
    try {
      await node.connect(peer, { signal })
    } catch (err) {
      throwIfAborted(signal)
      out.warn(err instanceof Error ? err.message : String(err))
    }
  }
}

async function startOwn(context: CommandContext, options: SessionOptions): Promise<OwnSession> {
  const { io, globals, log, signal } = context
  const { mode } = options
  const node = await io.load.createNode(nodeOptions(context, options))
  let server: RpcServer | undefined
  const close = async () => {
    await server?.close()
    await node.stop()
  }
  try {
    await node.start({ signal })
    if (mode !== 'offline' || options.answers === true) {
      server = await io.load.startServer(node, { dataDir: globals.dataDir, mode, log })
    }
    await warnOfProblems(context, node)
    return { kind: 'own', node, isOffline: mode === 'offline', close }
  } catch (err) {
    await close()
    throw err
  }
}

function nodeOptions({ globals, log }: CommandContext, { mode, dht }: SessionOptions): NodeOptions {
  const options: NodeOptions = { dataDir: globals.dataDir, log }
  if (globals.ownMaxStorage !== undefined) options.maxStorage = globals.ownMaxStorage
  if (mode === 'offline') return { ...options, offline: true }
  if (globals.listen.length > 0) options.listen = globals.listen
  if (globals.announce.length > 0) options.announce = globals.announce
  if (globals.peers.length > 0) options.peers = globals.peers
  Object.assign(options, globals.ownLimits)
  if (dht !== undefined) options.dht = dht
  if (globals.encryption !== undefined) options.encryption = globals.encryption
  return options
}

async function warnOfProblems({ out, signal }: CommandContext, node: ShoalNode): Promise<void> {
  const { problems } = await node.status({ signal })
  for (const problem of problems) out.warn(problem)
}
