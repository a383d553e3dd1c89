/** Runs `work` over `items`, at most `limit` at a time. The first error stops new work and is thrown after the rest ended. */
export async function eachLimited<T>(
  items: Iterable<T>,
  limit: number,
  work: (item: T) => Promise<void>
): Promise<void> {
  const iterator = items[Symbol.iterator]()
  let failed = false
  const lane = async () => {
    while (!failed) {
      const next = iterator.next()
      if (next.done === true) return
      try {
        await work(next.value)
      } catch (err) {
        failed = true
        throw err
      }
    }
  }
  const lanes = await Promise.allSettled(Array.from({ length: limit }, lane))
  for (const result of lanes) if (result.status === 'rejected') throw result.reason
}

/** What the next `size` items are is found out when they are asked for. */
export function* inBatches<T>(items: Iterable<T>, size: number): Generator<T[]> {
  let batch: T[] = []
  for (const item of items) {
    batch.push(item)
    if (batch.length < size) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}
