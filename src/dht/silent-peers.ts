/**
 * Connected peers whose connection has gone quiet: it asked for a sign of life, as it does by itself, and none came. A
 * query would find that out, but most peers of a table are asked for nothing for minutes. Looking costs no message.
 */
import type { PeerId } from '@libp2p/interface'
import { SECOND_MS } from '../base/units.ts'

export const LOOK_EVERY_MS = 5 * SECOND_MS

export interface SilentPeersInit {
  /** Connected, and silent for so long that it is worth a question. */
  silent: () => readonly PeerId[]
  /** Told once of each, until it is silent anew. */
  onSilent: (peer: PeerId) => void
  /** Default 5 s. */
  lookEveryMs?: number
}

export class SilentPeers {
  readonly #init: SilentPeersInit
  #told = new Set<string>()
  #timer: NodeJS.Timeout | undefined

  constructor(init: SilentPeersInit) {
    this.#init = init
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#look(), this.#init.lookEveryMs ?? LOOK_EVERY_MS).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #look(): void {
    const silent = this.#init.silent()
    const before = this.#told
    this.#told = new Set(silent.map(String))
    for (const peer of silent) if (!before.has(peer.toString())) this.#init.onSilent(peer)
  }
}
