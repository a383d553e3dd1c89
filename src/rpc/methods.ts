/** The methods of the control socket: parameters checked, then the node called. */
import type { FetchOptions, LimitChange, ShareOptions, ShoalNode } from '../node/api.ts'
import type { NodeInfo, Params } from './messages.ts'
import { limitParam, optionalFlag, optionalMs, optionalRate, optionalText, pathParam, textParam } from './params.ts'

export interface MethodCall {
  node: ShoalNode
  info: NodeInfo
  params: Params
  signal: AbortSignal
  emit(event: string, data: unknown): void
}

export interface Method {
  /** Goes on when its requester vanishes without a word: what was handed over is done. Default: it is cancelled. */
  readonly outlivesRequester?: boolean
  run(call: MethodCall): Promise<unknown>
}

const share: Method = {
  outlivesRequester: true,
  run: ({ node, params, signal, emit }) => {
    const options: ShareOptions = { ...limitsIn(params), signal, onProgress: progress => emit('progress', progress) }
    const hidden = optionalFlag(params, 'hidden')
    if (hidden !== undefined) options.hidden = hidden
    return node.share(pathParam(params, 'path'), options)
  }
}

const fetch: Method = {
  run: async ({ node, params, signal, emit }) => {
    const options: FetchOptions = { ...limitsIn(params), signal }
    const cache = optionalFlag(params, 'cache') === true
    if (cache) options.cache = true
    else options.to = pathParam(params, 'to')
    const force = optionalFlag(params, 'force')
    const timeoutMs = optionalMs(params, 'timeoutMs')
    if (force !== undefined) options.force = force
    if (timeoutMs !== undefined) options.timeoutMs = timeoutMs
    const transfer = node.fetch(textParam(params, 'source'), options)
    const stop = [
      transfer.on('state:changed', snapshot => emit('state', snapshot)),
      transfer.on('progressed', snapshot => emit('progress', snapshot))
    ]
    try {
      emit('state', transfer.snapshot())
      return await transfer.done
    } finally {
      for (const off of stop) off()
    }
  }
}

const status: Method = {
  run: async ({ node, params, signal, info }) => {
    const cid = optionalText(params, 'cid')
    const result = await node.status(cid === undefined ? { signal } : { signal, cid })
    return { ...result, mode: info.mode }
  }
}

const setLimits: Method = {
  run: ({ node, params, signal }) => {
    const cid = optionalText(params, 'cid')
    return node.setLimits({ ...limitsIn(params), ...(cid === undefined ? {} : { cid }) }, { signal })
  }
}

const setPinned: Method = {
  run: ({ node, params, signal }) => {
    const pinned = optionalFlag(params, 'pinned')
    return node.setPinned(textParam(params, 'cid'), pinned !== false, { signal })
  }
}

const gc: Method = {
  run: ({ node, params, signal }) => {
    const dryRun = optionalFlag(params, 'dryRun') === true
    return node.gc({ dryRun, deletePartials: optionalFlag(params, 'deletePartials') === true, signal })
  }
}

function limitsIn(params: Params): LimitChange {
  const change: LimitChange = {}
  for (const name of ['up', 'down'] as const) {
    const rate = optionalRate(params, name)
    if (rate !== undefined) change[name] = rate
  }
  return change
}

const METHODS: ReadonlyMap<string, Method> = new Map<string, Method>([
  ['hello', { run: async ({ info }) => info }],
  ['share', share],
  ['announced', { run: ({ node, params, signal }) => node.announced(textParam(params, 'cid'), { signal }) }],
  ['fetch', fetch],
  ['list', { run: ({ node, signal }) => node.list({ signal }) }],
  ['remove', { run: ({ node, params, signal }) => node.remove(textParam(params, 'cid'), { signal }) }],
  ['status', status],
  ['connect', { run: ({ node, params, signal }) => node.connect(textParam(params, 'addr'), { signal }) }],
  ['limits', { run: ({ node, signal }) => node.limits({ signal }) }],
  ['setLimits', setLimits],
  ['setMaxStorage', { run: ({ node, params, signal }) => node.setMaxStorage(limitParam(params, 'limit'), { signal }) }],
  ['setPinned', setPinned],
  ['gc', gc],
  ['peers', { run: ({ node, signal }) => node.peers({ signal }) }],
  [
    'verify',
    {
      run: ({ node, params, signal, emit }) =>
        node.verify(textParam(params, 'cid'), { signal, onProgress: progress => emit('progress', progress) })
    }
  ]
])

export function methodNamed(name: string): Method | undefined {
  return METHODS.get(name)
}
