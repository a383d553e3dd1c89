import { ShoalError } from './errors.ts'

/** A library and the version of it whose inner methods are replaced. */
export interface MadeFor {
  readonly name: string
  readonly version: string
}

/**
 * Replaced methods of a library that are there no longer replace nothing, and what they bounded is bounded no more: said
 * at the start, not found out by strangers.
 * @param paths of methods, from `owner` on, such as `rpc.handleMessage`
 * @throws ERR_BUG
 */
export function requireMethods({ name, version }: MadeFor, owner: unknown, paths: readonly string[]): void {
  const missing = paths.filter(path => typeof at(owner, path) !== 'function')
  if (missing.length === 0) return
  throw new ShoalError(
    'ERR_BUG',
    `${name} is not ${version}, which this is made for: it has no ${missing.join(', ')}`,
    {
      hint: `install ${name} ${version}`
    }
  )
}

function at(owner: unknown, path: string): unknown {
  let part = owner
  for (const name of path.split('.')) {
    if ((typeof part !== 'object' && typeof part !== 'function') || part === null) return undefined
    part = (part as Record<string, unknown>)[name]
  }
  return part
}
