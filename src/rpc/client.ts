/** The node of another process on the same data folder, with the API of one's own. */
import { combineSignals } from '../base/abort-signals.ts'
import { abortError, ShoalError } from '../base/errors.ts'
import { SECOND_MS } from '../base/units.ts'
import type {
  AbortOptions,
  FetchOptions,
  FetchResult,
  GcOptions,
  GcReport,
  HashProgress,
  LimitSetting,
  Limits,
  NodeApi,
  NodeLimits,
  NodeStatus,
  PeerInfo,
  Removed,
  RootInfo,
  Shared,
  ShareOptions,
  StorageLimited,
  Transfer,
  VerifyResult
} from '../node/api.ts'
import { ClientConnection } from './client-connection.ts'
import { connectSocket } from './connect-socket.ts'
import type { NodeInfo } from './messages.ts'
import { RemoteTransfer } from './remote-transfer.ts'
import { socketPath } from './socket-path.ts'

const HELLO_TIMEOUT_MS = 5 * SECOND_MS

/** Checks a CID or a link without a network; throws what `fetch` throws. */
export type ParseSource = (text: string) => { cid: string; name?: string }

export interface ConnectOptions {
  parseSource?: ParseSource
}

/**
 * @returns undefined when nobody answers for this data folder
 * @throws ERR_RPC when somebody listens and does not answer, ERR_NO_PERMISSION when the socket is not ours
 */
export async function connectNode(dataDir: string, options: ConnectOptions = {}): Promise<RemoteNode | undefined> {
  const path = await socketPath(dataDir)
  const socket = path === undefined ? undefined : await connectSocket(path)
  if (socket === undefined) return undefined
  const connection = new ClientConnection(socket)
  try {
    const info = await connection.call<NodeInfo>('hello', {}, { signal: silence(dataDir) })
    const parseSource = options.parseSource ?? (await import('../node/sources.ts')).parseSource
    return new RemoteNode(connection, info, parseSource)
  } catch (err) {
    connection.close()
    // It stopped between our connecting and its answer: nobody is there.
    if (err instanceof ShoalError && err.code === 'ERR_NOT_RUNNING') return undefined
    throw err
  }
}

function silence(dataDir: string): AbortSignal {
  const controller = new AbortController()
  const message = `the node that holds ${dataDir} does not answer`
  const reason = new ShoalError('ERR_RPC', message, { hint: 'it may hang: stop it and try again' })
  setTimeout(() => controller.abort(reason), HELLO_TIMEOUT_MS).unref()
  return controller.signal
}

export class RemoteNode implements NodeApi {
  readonly info: NodeInfo
  readonly #connection: ClientConnection
  readonly #parseSource: ParseSource

  constructor(connection: ClientConnection, info: NodeInfo, parseSource: ParseSource) {
    this.#connection = connection
    this.info = info
    this.#parseSource = parseSource
  }

  /** @param path absolute. An abort cancels it over there; a vanished client does not. */
  share(path: string, options: ShareOptions = {}): Promise<Shared> {
    const { hidden, up, down, signal, onProgress } = options
    return this.#connection.call('share', defined({ path, hidden, up, down }), {
      signal,
      onEvent: progressOf(onProgress)
    })
  }

  announced(cid: string, { signal }: AbortOptions = {}): Promise<number> {
    return this.#connection.call('announced', { cid }, { signal })
  }

  /** @param options.to must be given, absolute, or `cache`: the other process has another working folder */
  fetch(source: string, options: FetchOptions = {}): Transfer {
    const { signal, force, cache, timeoutMs, up, down } = options
    const to = cache === true ? undefined : (options.to ?? process.cwd())
    const { cid, name = cid } = this.#parseSource(source)
    return new RemoteTransfer({ cid, name, path: to ?? '' }, (cancelled, onEvent) => {
      const signals = combineSignals(signal, cancelled)
      const params = defined({ source, to, cache, force, timeoutMs, up, down })
      return this.#connection.call<FetchResult>('fetch', params, { signal: signals, onEvent })
    })
  }

  list({ signal }: AbortOptions = {}): Promise<RootInfo[]> {
    return this.#connection.call('list', {}, { signal })
  }

  remove(cid: string, { signal }: AbortOptions = {}): Promise<Removed> {
    return this.#connection.call('remove', { cid }, { signal })
  }

  setPinned(cid: string, pinned: boolean, { signal }: AbortOptions = {}): Promise<{ cid: string; pinned: boolean }> {
    return this.#connection.call('setPinned', { cid, pinned }, { signal })
  }

  gc({ dryRun, deletePartials, signal }: GcOptions & AbortOptions = {}): Promise<GcReport> {
    return this.#connection.call('gc', defined({ dryRun, deletePartials }), { signal })
  }

  status({ signal, cid }: AbortOptions & { cid?: string } = {}): Promise<NodeStatus> {
    return this.#connection.call('status', defined({ cid }), { signal })
  }

  peers({ signal }: AbortOptions = {}): Promise<PeerInfo[]> {
    return this.#connection.call('peers', {}, { signal })
  }

  limits({ signal }: AbortOptions = {}): Promise<NodeLimits> {
    return this.#connection.call('limits', {}, { signal })
  }

  setLimits({ cid, up, down }: LimitSetting, { signal }: AbortOptions = {}): Promise<Limits> {
    return this.#connection.call('setLimits', defined({ cid, up, down }), { signal })
  }

  setMaxStorage(limit: number | null, { signal }: AbortOptions = {}): Promise<StorageLimited> {
    return this.#connection.call('setMaxStorage', { limit }, { signal })
  }

  verify(
    cid: string,
    { signal, onProgress }: AbortOptions & { onProgress?: (p: HashProgress) => void } = {}
  ): Promise<VerifyResult> {
    return this.#connection.call('verify', { cid }, { signal, onEvent: progressOf(onProgress) })
  }

  /** Connects it to a peer. @throws ERR_BAD_MULTIADDR, ERR_UNREACHABLE */
  async connect(addr: string, { signal }: AbortOptions = {}): Promise<void> {
    await this.#connection.call('connect', { addr }, { signal })
  }

  /** Ends the connection; what still runs is rejected here and, but for a share, cancelled there. */
  close(): void {
    this.#connection.close(abortError())
  }
}

function progressOf(onProgress: ((p: HashProgress) => void) | undefined) {
  return (_event: string, data: unknown) => onProgress?.(data as HashProgress)
}

function defined(params: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(params).filter(([, value]) => value !== undefined))
}
