/** Where things lie in this checkout, and the built program's modules. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The checkout, without a final slash. */
export const checkout = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

/** The command line program. @type {string} */
export const cli = `${checkout}/dist/cli/main.js`

/**
 * The client of the control socket. Loaded late: the program is built after this file was read.
 * @returns {Promise<typeof import('../../src/rpc/client.ts')>}
 */
export async function loadClient() {
  const path = `${checkout}/dist/rpc/client.js`
  if (!existsSync(path)) throw new Error(`${path} is not there: run npm run build`)
  return await import(path)
}
