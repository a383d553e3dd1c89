/**
 * The yardstick of a transfer: one Node process reads a file into a plain TCP socket, another writes what comes into a
 * file. No encryption, no verification. Each prints one JSON line.
 *
 *     node plain-tcp.mjs send FILE [HOST]      {"event":"ready","port"}
 *     node plain-tcp.mjs receive PORT FILE [HOST]      {"event":"done","size"}
 */
import { createReadStream, createWriteStream } from 'node:fs'
import { connect, createServer } from 'node:net'
import { pipeline } from 'node:stream/promises'

const [role, ...args] = process.argv.slice(2)
const CHUNK_BYTES = 1 << 20
/** @param {object} line */
const say = line => console.log(JSON.stringify(line))

if (role === 'send') {
  const [file = '', host = '127.0.0.1'] = args
  const server = createServer(async socket => {
    server.close()
    await pipeline(createReadStream(file, { highWaterMark: CHUNK_BYTES }), socket)
  })
  server.listen(0, host, () => {
    const address = server.address()
    say({ event: 'ready', port: typeof address === 'object' ? address?.port : undefined })
  })
} else {
  const [port = '', file = '', host = '127.0.0.1'] = args
  const socket = connect(Number(port), host)
  const out = createWriteStream(file, { highWaterMark: CHUNK_BYTES })
  await pipeline(socket, out)
  say({ event: 'done', size: out.bytesWritten })
}
