/** What can be tuned in a swarm. The defaults are what the program runs with. */
import { KIB, MIB, MINUTE_MS, SECOND_MS } from '../../base/units.ts'

/**
 * Rules that can be left out one by one, to see in the simulator what each is for (docs/swarm.md). The program leaves
 * none out.
 */
export const RULES = [
  'rarity',
  'turns',
  'coming',
  'soon',
  'beyond',
  'neediest',
  'reciprocity',
  'busy',
  'late',
  'wants',
  'affinity'
] as const
export type Rule = (typeof RULES)[number]

export interface SwarmConfig {
  /** Whether to fetch what is missing from the start; `fetchPaused` changes it. */
  readonly fetch: boolean
  /** Whether we place what we upload ourselves (offers), or only answer requests. */
  readonly places: boolean
  /** Peers unchoked by rank or turn, and one by one in the optimistic slots. */
  readonly regularSlots: number
  readonly optimisticSlots: number
  /** Sessions beyond which no peer is dialled, and beyond which none is accepted. */
  readonly firstDialled: number
  readonly maxDialled: number
  readonly maxSessions: number
  readonly maxPendingDials: number
  readonly turnoverMs: number
  /** What we accept in flight from one peer, told in hello. */
  readonly maxRequests: number
  readonly maxRequestBytes: number
  /** The most that we ask for ahead from one peer. */
  readonly maxWindowBytes: number
  readonly chokeIntervalMs: number
  readonly optimisticTurnMs: number
  readonly snubMs: number
  readonly manifestTimeoutMs: number
  readonly livenessMs: number
  readonly idleMs: number
  readonly without: readonly Rule[]
}

export const DEFAULT_CONFIG: SwarmConfig = {
  fetch: true,
  places: true,
  regularSlots: 4,
  optimisticSlots: 1,
  firstDialled: 4,
  maxDialled: 12,
  turnoverMs: 5 * SECOND_MS,
  maxSessions: 100,
  maxPendingDials: 8,
  maxRequests: 512,
  maxRequestBytes: 16 * MIB,
  maxWindowBytes: 8 * MIB,
  chokeIntervalMs: 10 * SECOND_MS,
  optimisticTurnMs: 30 * SECOND_MS,
  snubMs: 20 * SECOND_MS,
  manifestTimeoutMs: 10 * SECOND_MS,
  livenessMs: 2 * MINUTE_MS,
  idleMs: MINUTE_MS,
  without: []
}

/** Bytes of a request: a block of a large piece, or a run of small ones. */
export const BLOCK_BYTES = 256 * KIB
/** A last block may be so much larger, so that an envelope of a few bytes is no request of its own. */
export const BLOCK_SLACK_BYTES = 64 * KIB
