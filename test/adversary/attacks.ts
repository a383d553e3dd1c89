/** Every attack on a swarm session. */
import type { Attack } from './attack.ts'
import { BROKEN_FRAMES } from './broken-frames.ts'
import { FLOODS } from './floods.ts'
import { GIVERS } from './givers.ts'
import { TAKERS } from './takers.ts'

export const ATTACKS: readonly Attack[] = [...FLOODS, ...BROKEN_FRAMES, ...GIVERS, ...TAKERS]
