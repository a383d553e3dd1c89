/**
 * Works through `queue` from its end, `width` items at a time; `work` may push more. Rejects with the first failure,
 * after everything that was under way has ended.
 */
export function drainQueue<T>(queue: T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    let active = 0
    let failure: { cause: unknown } | undefined
    const next = () => {
      while (failure === undefined && active < width) {
        const item = queue.pop()
        if (item === undefined) break
        active += 1
        work(item).then(
          () => ended(),
          (cause: unknown) => ended({ cause })
        )
      }
      if (active > 0) return
      if (failure === undefined) resolve()
      else reject(failure.cause)
    }
    const ended = (failed?: { cause: unknown }) => {
      active -= 1
      failure ??= failed
      next()
    }
    next()
  })
}
