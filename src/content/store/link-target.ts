/** Which symbolic links of a manifest may be made: relative ones that stay inside, whatever other links they pass. */
import type { ManifestEntry } from '../manifest.ts'

/** As Linux: more links on one path than this are a loop. */
const MAX_HOPS = 40

/**
 * @returns why the link at `path` is not made, or undefined where its target stays inside the destination
 */
export function linkProblem(path: string, target: string, links: ReadonlyMap<string, string>): string | undefined {
  if (target === '' || target.includes('\0')) return 'a symbolic link without a target'
  if (path === '') return 'the content is a symbolic link'
  let hops = 0
  const pending = [...path.split('/').slice(0, -1), ...target.split('/')].reverse()
  if (target.startsWith('/')) return `a symbolic link to an absolute path: ${target}`
  const resolved: string[] = []
  for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
    if (part === '' || part === '.') continue
    if (part === '..') {
      if (resolved.pop() === undefined) return `a symbolic link that leads outside: ${target}`
      continue
    }
    const next = links.get([...resolved, part].join('/'))
    if (next === undefined) {
      resolved.push(part)
      continue
    }
    if (next.startsWith('/')) return `a symbolic link that leads outside: ${target}`
    hops += 1
    if (hops > MAX_HOPS) return `a symbolic link that leads to itself: ${target}`
    pending.push(...next.split('/').reverse())
  }
  return undefined
}

/** Path → target of every symbolic link. */
export function linksOf(entries: readonly ManifestEntry[]): Map<string, string> {
  const links = new Map<string, string>()
  for (const entry of entries) if (entry.kind === 'symlink') links.set(entry.path, entry.target)
  return links
}
