/**
 * Blocks that were asked for and are late: what snubbed peers owe us goes to others at any time, and in the endgame, when
 * nothing is left to begin, what slower peers owe us does too.
 */
import type { Assembly, Block } from './assembly.ts'
import { type Giver, mayGiveAll } from './giver.ts'
import type { SessionId } from './swarm-io.ts'

/** Peers that are asked for the same block in the endgame. */
export const MAX_ASKED_PER_BLOCK = 2
/** In the endgame another peer is asked only if it is expected to be so much faster. */
const ENDGAME_FACTOR = 2
const ENDGAME_SLACK_MS = 250

type Givers = ReadonlyMap<SessionId, Giver>

/** The latest block that the giver should be asked for as well. Outside the endgame only snubbed peers count as late. */
export function latestBlock(
  giver: Giver,
  among: { assemblies: Iterable<Assembly>; givers: Givers; endgame: boolean },
  now: number
): Block | undefined {
  let latest: Block | undefined
  let latestMs = giver.expectedMs(now) * ENDGAME_FACTOR + ENDGAME_SLACK_MS
  for (const assembly of among.assemblies) {
    if (assembly.solo || !mayGiveAll(giver, assembly)) continue
    for (const block of assembly.blocks) {
      if (block.givenBy !== undefined || block.asked.includes(giver.id)) continue
      const owed = owedMs(block, among.givers, now)
      if (owed === undefined || (!among.endgame && owed !== Number.POSITIVE_INFINITY)) continue
      if (owed <= latestMs) continue
      latest = block
      latestMs = owed
    }
  }
  return latest
}

/** When the block is expected: infinite when only snubbed peers were asked; undefined when enough others were. */
function owedMs(block: Block, givers: Givers, now: number): number | undefined {
  let soonest = Number.POSITIVE_INFINITY
  let asked = 0
  for (const session of block.asked) {
    const giver = givers.get(session)
    if (giver === undefined || giver.snubbed) continue
    asked += 1
    soonest = Math.min(soonest, giver.expectedMs(now))
  }
  return asked >= MAX_ASKED_PER_BLOCK ? undefined : soonest
}
