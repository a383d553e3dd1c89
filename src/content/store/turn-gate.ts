/** Many may pass at once; one who must be alone waits for them, and keeps newcomers waiting. */
export class TurnGate {
  #inside = 0
  #alone: Promise<void> | undefined
  #onEmpty: (() => void) | undefined

  async pass<T>(work: () => Promise<T>): Promise<T> {
    while (this.#alone !== undefined) await this.#alone
    this.#inside += 1
    try {
      return await work()
    } finally {
      this.#inside -= 1
      if (this.#inside === 0) this.#onEmpty?.()
    }
  }

  async alone<T>(work: () => Promise<T>): Promise<T> {
    while (this.#alone !== undefined) await this.#alone
    let open = () => {}
    this.#alone = new Promise<void>(resolve => {
      open = resolve
    })
    try {
      if (this.#inside > 0) {
        await new Promise<void>(resolve => {
          this.#onEmpty = resolve
        })
        this.#onEmpty = undefined
      }
      return await work()
    } finally {
      this.#alone = undefined
      open()
    }
  }
}
