/**
 * How fast the layers under the swarm are: one stream between two processes over loopback, without the swarm, the disk
 * or a hash. Beside it what a plain socket and Node's TLS carry.
 *
 *     npm run build && node scripts/bench/transport.mjs [--encryption noise,tls,tls-js,noise-stock,none] [--muxer stock,lean]
 *         [--size BYTES] [--chunk BYTES] [--repeat N] [--handshakes N] [--no-yardsticks]
 *
 * Prints MB/s and the CPU seconds of both processes for each GB, medians of N. With `--handshakes`, in place of that,
 * the CPU time of a connection (both sides: TCP, encryption, muxer, and its end).
 */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { formatTable, median } from '../lab/format.mjs'
import { Lab } from '../lab/lab.mjs'

const peerScript = fileURLToPath(new URL('transport-peer.mjs', import.meta.url))
const YARDSTICKS = ['socket', 'node-tls']

/** @typedef {{ bytesPerSec: number, cpuSecondsPerGb: number }} Carried */
/** @typedef {{ way: string, muxer: string, size: number, chunk?: number }} Case */

/** @param {Lab} lab @param {Case} options @returns {Promise<Carried>} */
export async function carry(lab, { way, muxer, size, chunk = 128 * 1024 }) {
  const args = [way, String(size), String(chunk), muxer]
  const receiver = lab.run('receiver', process.execPath, [peerScript, 'receive', ...args])
  const { at } = await receiver.event('ready', lab)
  const sender = lab.run('sender', process.execPath, [peerScript, 'send', ...args, String(at)])
  const [got, sent] = await Promise.all([receiver.event('done', lab), sender.event('done', lab)])
  await Promise.all([receiver.success(lab), sender.success(lab)])
  return {
    bytesPerSec: size / Number(got['seconds']),
    cpuSecondsPerGb: ((Number(got['cpuSeconds']) + Number(sent['cpuSeconds'])) * 1e9) / size
  }
}

/** CPU ms of a connection: of who dials, and of who accepts. @param {Lab} lab @param {Case} options `size`: how many */
export async function handshakes(lab, { way, muxer, size }) {
  const args = [way, String(size), '0', muxer]
  const server = lab.run('server', process.execPath, [peerScript, 'accept', ...args])
  const { at } = await server.event('ready', lab)
  const client = lab.run('client', process.execPath, [peerScript, 'dial', ...args, String(at)])
  const [accepted, dialled] = await Promise.all([server.event('done', lab), client.event('done', lab)])
  await Promise.all([server.success(lab), client.success(lab)])
  const perConnection = (/** @type {unknown} */ seconds) => (Number(seconds) * 1000) / size
  return {
    dialMs: perConnection(dialled['cpuSeconds']),
    acceptMs: perConnection(accepted['cpuSeconds']),
    elapsedMs: perConnection(dialled['seconds'])
  }
}

async function main() {
  const { values: options } = parseArgs({
    options: {
      encryption: { type: 'string', default: 'noise,tls' },
      muxer: { type: 'string', default: 'stock' },
      size: { type: 'string', default: '1e9' },
      chunk: { type: 'string', default: String(128 * 1024) },
      repeat: { type: 'string', default: '1' },
      handshakes: { type: 'string' },
      'no-yardsticks': { type: 'boolean', default: false }
    }
  })
  const [size, chunk, repeat] = [Number(options.size), Number(options.chunk), Number(options.repeat)]
  const cases = options.encryption.split(',').flatMap(way => options.muxer.split(',').map(muxer => ({ way, muxer })))
  const lab = new Lab('shoal-transport')
  /** @template T @param {() => Promise<T>} once @returns {Promise<T[]>} */
  const repeated = async once => {
    const results = []
    for (let i = 0; i < repeat; i++) results.push(await once())
    return results
  }
  /** @param {number[]} values */
  const middle = values => median(values)
  const ok = await lab.main({
    timeoutMs: 1_800_000,
    onFailure: err => console.error(`transport: ${err instanceof Error ? err.message : err}`),
    work: async () => {
      const rows = []
      if (options.handshakes !== undefined) {
        const count = Number(options.handshakes)
        for (const { way, muxer } of cases) {
          const runs = await repeated(() => handshakes(lab, { way, muxer, size: count }))
          const figures = [
            middle(runs.map(run => run.dialMs)),
            middle(runs.map(run => run.acceptMs)),
            middle(runs.map(run => run.elapsedMs))
          ]
          rows.push([`${way}, ${muxer}`, ...figures.map(ms => ms.toFixed(2))])
        }
        console.log(formatTable(['connection', 'dial CPU ms', 'accept CPU ms', 'elapsed ms'], rows).join('\n'))
        return
      }
      const all = [...(options['no-yardsticks'] ? [] : YARDSTICKS.map(way => ({ way, muxer: '' }))), ...cases]
      for (const { way, muxer } of all) {
        const runs = await repeated(() => carry(lab, { way, muxer, size, chunk }))
        rows.push([
          muxer === '' ? way : `${way}, ${muxer}`,
          (middle(runs.map(run => run.bytesPerSec)) / 1e6).toFixed(0),
          middle(runs.map(run => run.cpuSecondsPerGb)).toFixed(2)
        ])
      }
      console.log(formatTable(['one stream', 'MB/s', 'CPU s/GB'], rows).join('\n'))
    }
  })
  process.exit(ok ? 0 : Number(process.exitCode) || 1)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
