/** Takes a root out of the node: nothing of it is fetched, served or announced afterwards. */
import type { CID } from 'multiformats/cid'
import type { ContentStore, RemovedRoot } from '../content/store/content-store.ts'
import type { Fetches } from './fetches.ts'
import type { Roots } from './roots.ts'

export interface RemoveParts {
  readonly store: ContentStore
  readonly fetches: Fetches
  readonly roots: Roots
  /** What else is kept of a root that is gone goes. */
  readonly forget: (cid: string) => Promise<void>
}

/** @throws ERR_UNKNOWN_ROOT */
export async function remove(parts: RemoveParts, cid: CID): Promise<RemovedRoot> {
  const { store } = parts
  await endUse(parts, cid)
  const removed = await store.remove(cid)
  // first of all: who shares it anew may say how fast
  await parts.forget(removed.cid)
  // a fetch or a share may have taken it up again between the two
  if (store.get(cid) === undefined) await endUse(parts, cid)
  return removed
}

async function endUse({ fetches, roots }: RemoveParts, cid: CID): Promise<void> {
  await fetches.cancel(cid.toString())
  await roots.withdraw(cid)
}
