/** What `get` settles before any network: the source, where it goes, and whether it is there already. */
import { resolve } from 'node:path'
import { ShoalError } from '../base/errors.ts'
import type { NodeApi } from '../node/api.ts'
import { type Destination, isSamePlace, resolveDestination } from '../node/destination.ts'
import type { CommandContext } from './context.ts'
import { meterHashing } from './meters.ts'
import { connect, openSession } from './session.ts'

export interface FetchFlags {
  output?: string
  cache?: boolean
  force?: boolean
  seed?: boolean
}

export interface FetchPlan {
  cid: string
  name: string
  /** As it was given. */
  source: string
  /** Absolute, for the node: an existing folder takes the content below it. Undefined: the data folder's cache. */
  to?: string
  /** Set when the content is already there and right; `known`: the data folder's notes list it at this path. */
  here?: { path: string; size: number; known: boolean }
}

/** @throws ERR_BAD_CID, ERR_BAD_LINK, ERR_EXISTS, ERR_PATH_NOT_FOUND, ERR_NO_PERMISSION, … */
export async function planFetch(context: CommandContext, text: string, flags: FetchFlags): Promise<FetchPlan> {
  const { io } = context
  const { cid, name = cid } = await io.load.parseSource(text)
  if (flags.cache === true) {
    if (flags.output === undefined) return { cid, name, source: text }
    throw new ShoalError('ERR_USAGE', '--cache and --output exclude each other', {
      hint: 'leave one of them out: --cache keeps it in the data folder'
    })
  }
  const to = resolve(io.cwd, flags.output ?? '.')
  const destination = await resolveDestination(to, name)
  if (flags.output?.endsWith('/') === true && destination.path === to) {
    throw new ShoalError('ERR_PATH_NOT_FOUND', `no such folder: ${to}`, {
      hint: 'make it first, or leave out the last /'
    })
  }
  const plan: FetchPlan = { cid, name, source: text, to }
  if (flags.force === true) return plan
  const here = await findHere(context, { cid, to: flags.output === undefined ? undefined : to, destination })
  return here === undefined ? plan : { ...plan, here }
}

interface Where {
  cid: string
  /** Given by the user; a folder fetched to it before is there itself, not below it. */
  to: string | undefined
  destination: Destination
}

/** @throws ERR_EXISTS when something else is at the destination */
async function findHere(context: CommandContext, where: Where): Promise<FetchPlan['here']> {
  const { cid, to, destination } = where
  const belowFolder = to !== undefined && to !== destination.path
  if (destination.exists === 'nothing' && !belowFolder) return undefined
  const noted = await withStore(context, async node => {
    const root = (await node.list({ signal: context.signal })).find(each => each.cid === cid)
    if (root === undefined) return undefined
    const isThere = await Promise.all([destination.path, to].map(path => path && isSamePlace(root.path, path)))
    if (!isThere.includes(true)) return undefined
    if (root.state === 'fetching' || root.state === 'paused' || root.state === 'partial')
      return { path: root.path, size: root.size, right: false }
    const meter = meterHashing(context.out, 'checking what is there')
    const { signal } = context
    const { onProgress } = meter
    const { bad, wrong = [] } = await node.verify(cid, { signal, onProgress }).finally(() => meter.stop())
    return { path: root.path, size: root.size, right: bad.length === 0 && wrong.length === 0 }
  })
  if (noted !== undefined) return noted.right ? { path: noted.path, size: noted.size, known: true } : undefined
  if (destination.exists === 'nothing') return undefined
  const size = await sizeWhenRight(context, cid, destination)
  if (size !== undefined) return { path: destination.path, size, known: false }
  throw new ShoalError('ERR_EXISTS', `${destination.path} exists and is something else`, {
    hint: 'choose another place with -o, or replace it with --force'
  })
}

/** The node that runs, or the data folder alone. */
async function withStore<T>(context: CommandContext, use: (node: NodeApi) => Promise<T>): Promise<T> {
  const session = (await connect(context)) ?? (await openSession(context, { mode: 'offline', answers: true }))
  try {
    return await use(session.node)
  } finally {
    await session.close()
  }
}

async function sizeWhenRight(context: CommandContext, cid: string, at: Destination): Promise<number | undefined> {
  if (at.exists !== 'file' && at.exists !== 'folder') return undefined
  const { io, out, signal } = context
  const meter = meterHashing(out, 'checking what is there')
  try {
    const hashed = await io.load.hashPath(at.path, { signal, onProgress: meter.onProgress })
    return hashed.cid === cid ? hashed.size : undefined
  } finally {
    meter.stop()
  }
}
