/** Why a fetch made no progress, in words that a user can act on. Pure. */
import { type ErrorCode, ShoalError } from '../base/errors.ts'
import { formatDuration } from '../base/units.ts'

export interface StallFacts {
  readonly cid: string
  readonly timeoutMs: number
  /** Open connections of the node, to whomever. */
  readonly connections: number
  /** DHT nodes asked in the last lookup, and what they answered. */
  readonly lookup: { readonly asked: number; readonly answered: number; readonly failed: number }
  /** Peers that were said to have it, by whatever source. */
  readonly providers: number
  /** Why dials and sessions ended: reason → peers. */
  readonly failures: ReadonlyMap<string, number>
  /** Peers that the user named and that could not be reached: address → why. */
  readonly unreachable: ReadonlyMap<string, string>
  /** Open sessions now. */
  readonly sessions: number
  readonly manifestKnown: boolean
  readonly missingPieces: number
  readonly pieces: number
  /** Pieces whose hash was wrong. */
  readonly falsePieces: number
  readonly banned: number
}

const plural = (n: number, one: string, many = `${one}s`) => `${n} ${n === 1 ? one : many}`

export function explainStall(facts: StallFacts): ShoalError {
  const after = `within ${formatDuration(facts.timeoutMs)}`
  const details = {
    ...facts,
    failures: Object.fromEntries(facts.failures),
    unreachable: Object.fromEntries(facts.unreachable)
  }
  const fail = (code: ErrorCode, message: string, hint: string) => new ShoalError(code, message, { hint, details })
  if (facts.falsePieces > 0 && facts.sessions === 0) {
    return fail(
      'ERR_BAD_DATA',
      `${plural(facts.falsePieces, 'piece')} did not match and no other peer had the right one (${plural(facts.banned, 'peer')} banned)`,
      'what matched is kept; run the same command again when an honest peer is up'
    )
  }
  if (facts.banned > 0 && !facts.manifestKnown && facts.sessions === 0) {
    return fail(
      'ERR_BAD_DATA',
      `${plural(facts.banned, 'peer')} gave a false manifest, and no other peer had the right one`,
      'they are banned; run the same command again when an honest peer is up'
    )
  }
  if (facts.sessions > 0) {
    const what = facts.manifestKnown
      ? `${plural(facts.missingPieces, 'piece')} of ${facts.pieces} missing`
      : 'its manifest missing'
    return fail(
      'ERR_STALLED',
      `no progress ${after}: connected to ${plural(facts.sessions, 'peer')}, but ${what} and nobody sends`,
      'what was fetched is kept; run the same command again to continue'
    )
  }
  if (facts.connections === 0 && facts.lookup.asked === 0 && facts.providers === 0) {
    const tried = [...facts.unreachable.values()].join('; ')
    return fail(
      'ERR_NO_PEERS',
      `this node knows no live peer to ask${tried === '' ? '' : ` (${tried})`}`,
      tried === ''
        ? 'name one with --peer MULTIADDR, or use a link'
        : 'ask whether it is up, or name another with --peer MULTIADDR; a node behind a NAT needs a forwarded port'
    )
  }
  const { asked, answered, failed } = facts.lookup
  const lookup = `asked ${plural(asked, 'node')}: ${answered} answered, ${failed} did not`
  if (facts.providers === 0) {
    return fail(
      'ERR_NO_PROVIDERS',
      `nobody provides ${facts.cid} (${lookup}, none knew a provider)`,
      'check the CID, or ask its owner whether the node that shares it is up'
    )
  }
  const reasons = [...facts.failures].map(([reason, peers]) => `${peers} ${reason}`).join(', ')
  return fail(
    'ERR_UNREACHABLE',
    `none of ${plural(facts.providers, 'provider')} could be reached ${after}${reasons === '' ? '' : `: ${reasons}`} (${lookup})`,
    'a node behind a NAT needs a forwarded port; what was fetched is kept'
  )
}
