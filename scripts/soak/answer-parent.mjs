/**
 * The child's side of calls over Node's message channel.
 * @param {Record<string, (params: any) => Promise<unknown>>} methods
 */
export function answerParent(methods) {
  process.on('message', async message => {
    const { id, method, params } = /** @type {{ id: number, method: string, params: object }} */ (message)
    try {
      process.send?.({ id, result: await methods[method]?.(params) })
    } catch (err) {
      process.send?.({ id, error: err instanceof Error ? err.message : String(err) })
    }
  })
}
