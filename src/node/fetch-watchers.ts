/** Who waits for a fetch, and what the readers among them want next. */

/** For all of the content, or for what a reader asks for. */
export type WatcherKind = 'whole' | 'reader'

export interface ByteRange {
  /** Of the piece space. */
  readonly offset: number
  readonly length: number
}

export interface ReaderWants {
  /** It can give nothing before all of this is here. */
  readonly waitedFor: readonly ByteRange[]
  readonly soon: readonly ByteRange[]
}

export interface FetchWatchersInit {
  /** Who waits, or what is wanted, is another now. */
  readonly onChanged: () => void
  /** The last one left. */
  readonly onNone: () => void
}

export class FetchWatchers {
  readonly #init: FetchWatchersInit
  #whole = 0
  #readers = 0
  readonly #wanted = new Map<object, ReaderWants>()

  constructor(init: FetchWatchersInit) {
    this.#init = init
  }

  /** Nobody waits for all of it. */
  get areReaders(): boolean {
    return this.#whole === 0
  }

  /** By all readers: what each waits for, who asked first before the others, and then what they read soon. */
  get wanted(): { ranges: ByteRange[]; waitedFor: number } {
    const waitedFor: ByteRange[] = []
    const soon: ByteRange[] = []
    for (const wants of this.#wanted.values()) {
      waitedFor.push(...wants.waitedFor)
      soon.push(...wants.soon)
    }
    return { ranges: [...waitedFor, ...soon], waitedFor: waitedFor.length }
  }

  /** The returned function ends the wait, once. */
  join(kind: WatcherKind): () => void {
    const count = (change: number) => {
      if (kind === 'whole') this.#whole += change
      else this.#readers += change
      this.#init.onChanged()
    }
    count(1)
    let left = false
    return () => {
      if (left) return
      left = true
      count(-1)
      if (this.#whole + this.#readers === 0) this.#init.onNone()
    }
  }

  /** In place of what the reader wanted before; nothing when it is done. */
  want(reader: object, wants?: ReaderWants): void {
    this.#wanted.delete(reader)
    if (wants !== undefined) this.#wanted.set(reader, wants)
    this.#init.onChanged()
  }
}
