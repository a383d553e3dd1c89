/** The end of what was begun part by part. */

/** Each waits for the one before it, and is ended however that went. @throws the first failure, when all have ended */
export async function endInTurn(ends: ReadonlyArray<() => Promise<void> | undefined>): Promise<void> {
  const failures: unknown[] = []
  for (const end of ends) {
    try {
      await end()
    } catch (err) {
      failures.push(err)
    }
  }
  if (failures.length > 0) throw failures[0]
}
