/** For who must name a port before it is listened on, or comes back to the one it had. */
import { createServer } from 'node:net'

/** Below those that systems give to whoever asks for any port: no other test gets one of these meanwhile. */
const FROM = 20_000
const TO = 32_000
const TRIES = 100

const given = new Set<number>()

/** Free on loopback, and given once. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES; tries++) {
    const port = FROM + Math.floor(Math.random() * (TO - FROM))
    if (given.has(port)) continue
    given.add(port)
    if (await isFree(port)) return port
  }
  throw new Error('no free port')
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
