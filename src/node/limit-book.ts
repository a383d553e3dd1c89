/**
 * The limits that the user wants: of the node, and of single roots. Those of roots are recorded, so that they hold again
 * after a restart; those of the node are its options'.
 *
 * Invariant: what is written here holds in every swarm that is open; a swarm that is opened asks for it.
 */
import { CID } from 'multiformats/cid'
import { ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Rates } from '../transfer/io/root-limits.ts'
import type { SwarmHost } from '../transfer/io/swarm-host.ts'
import type { LimitChange, Limits, NodeEvents, NodeLimits } from './api.ts'
import { isLimit, type LimitRecords } from './limit-records.ts'

const NONE: Limits = { up: null, down: null }

export interface LimitBookInit {
  readonly node: LimitChange
  readonly records: LimitRecords
  /** Undefined while the node is offline. */
  readonly swarms: () => SwarmHost | undefined
  readonly log: Logger
  readonly onChanged: (event: NodeEvents['limits:changed']) => void
}

export class LimitBook {
  readonly #init: LimitBookInit
  readonly #roots = new Map<string, Limits>()
  #node: Limits

  constructor(init: LimitBookInit) {
    this.#init = init
    this.#node = changed(NONE, init.node)
  }

  /** Takes in what was recorded, and drops what is of roots that are no longer held. */
  async load(held: ReadonlySet<string>): Promise<void> {
    for (const [cid, limits] of await this.#init.records.load()) {
      if (held.has(cid)) this.#roots.set(cid, limits)
      else await this.#init.records.remove(cid)
    }
  }

  get node(): Limits {
    return this.#node
  }

  /** @param cid CIDv1, base32 */
  of(cid: string): Limits {
    return this.#roots.get(cid) ?? NONE
  }

  all(): NodeLimits {
    return { ...this.#node, roots: [...this.#roots].map(([cid, limits]) => ({ cid, ...limits })) }
  }

  /** For a swarm that is opened. @param root CID bytes */
  ratesOf(root: Uint8Array): Rates {
    return toRates(this.of(CID.decode(root).toString()))
  }

  setNode(change: LimitChange): Limits {
    const limits = changed(this.#node, change)
    if (same(limits, this.#node)) return limits
    this.#node = limits
    const swarms = this.#init.swarms()
    swarms?.limits.up.setRate(limits.up ?? undefined)
    swarms?.limits.down.setRate(limits.down ?? undefined)
    this.#init.onChanged({ cid: null, ...limits })
    return limits
  }

  /** In force at once, recorded when it resolves; a record that fails is logged, and the limit holds until the stop. */
  async setRoot(cid: string, change: LimitChange): Promise<Limits> {
    const before = this.of(cid)
    const limits = changed(before, change)
    if (same(limits, before)) return limits
    this.#init.onChanged({ cid, ...limits })
    await this.#put(cid, limits)
    return limits
  }

  /** The root is no longer held. */
  async forget(cid: string): Promise<void> {
    if (this.#roots.has(cid)) await this.#put(cid, NONE)
  }

  async #put(cid: string, limits: Limits): Promise<void> {
    const { records, log, swarms } = this.#init
    const isNone = same(limits, NONE)
    if (isNone) this.#roots.delete(cid)
    else this.#roots.set(cid, limits)
    swarms()?.get(CID.parse(cid).bytes)?.limits.set(toRates(limits))
    await (isNone ? records.remove(cid) : records.save(cid, limits)).catch((err: unknown) => {
      log.error(`the limit of ${cid} was not recorded: ${err instanceof Error ? err.message : String(err)}`)
    })
  }
}

/** @throws ERR_BAD_NUMBER */
export function checkLimits(change: { readonly up?: unknown; readonly down?: unknown }): void {
  for (const name of ['up', 'down'] as const) {
    const value = change[name]
    if (value === undefined || isLimit(value)) continue
    throw new ShoalError('ERR_BAD_NUMBER', `${name} is no rate: ${String(value)}`, {
      hint: 'give a whole number of bytes a second, at least 1, or null for no limit'
    })
  }
}

function changed(before: Limits, { up = before.up, down = before.down }: LimitChange): Limits {
  return { up, down }
}

function same(a: Limits, b: Limits): boolean {
  return a.up === b.up && a.down === b.down
}

function toRates({ up, down }: Limits): Rates {
  return { up: up ?? undefined, down: down ?? undefined }
}
