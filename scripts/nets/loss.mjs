/**
 * Fetches over a cable that loses packets, beside plain TCP over the same cable. Fails when a fetch fails or brings other
 * bytes; the rates are printed and not judged. Needs root, says so and ends with 0 where it is missing.
 *
 *     npm run nets:loss -- [--mib 32] [--mbit 100] [--loss 0,1,5] [--json FILE]
 *
 * What is lost is drawn for each packet and direction by itself. No delay is added: this is a bad cable, not a long way.
 */
import { createHash } from 'node:crypto'
import { createReadStream, writeFileSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { checkout, cli } from '../lab/checkout.mjs'
import { formatTable } from '../lab/format.mjs'
import { Lab } from '../lab/lab.mjs'
import { builtRandom } from '../soak/built.mjs'
import { cannotMake, Namespaces } from './namespaces.mjs'

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '32' },
    mbit: { type: 'string', default: '100' },
    loss: { type: 'string', default: '0,1,5' },
    json: { type: 'string' }
  }
})
const mib = Number(values.mib)
const mbit = Number(values.mbit)
const losses = values.loss.split(',').map(Number)
const isLoss = (/** @type {number} */ percent) => percent >= 0 && percent <= 50
if (!(mib >= 1 && mib <= 1024 && mbit >= 1 && mbit <= 10_000 && losses.every(isLoss))) {
  console.error('nets: --mib 1 to 1024, --mbit 1 to 10000, --loss percentages from 0 to 50 with commas between')
  process.exit(2)
}
const reason = cannotMake()
if (reason !== undefined) {
  console.log(`skipped: ${reason}`)
  process.exit(0)
}

const bytes = mib * 1024 * 1024
const plainTcp = `${checkout}/scripts/bench/plain-tcp.mjs`
const lab = new Lab('shoal-loss')
/** @type {Array<{ loss: number, plainMs: number, shoalMs: number }>} */
const figures = []
const nets = new Namespaces()
const succeeded = await lab.main({
  timeoutMs: 15 * 60_000,
  work: async () => {
    const random = (await builtRandom()).seededRandom(1)
    const file = lab.path('file.bin')
    writeFileSync(
      file,
      Uint32Array.from({ length: bytes / 4 }, () => random.below(2 ** 32))
    )
    nets.shape(mbit)
    const sender = nets.machine('left')
    const receiver = nets.machine('right')
    for (const loss of losses) {
      nets.lose(loss / 100)
      const plainMs = await plain(sender, receiver, file)
      const shoalMs = await fetched(sender, receiver, file, loss)
      figures.push({ loss, plainMs, shoalMs })
      console.log(`${loss} % lost: plain TCP ${rate(plainMs)}, shoal ${rate(shoalMs)}`)
    }
  },
  onFailure: err => console.error(`nets: ${err instanceof Error ? err.message : err}`)
})
nets.close()
console.log(`${mib} MiB over ${mbit} Mbit/s`)
const rows = figures.map(({ loss, plainMs, shoalMs }) => [`${loss} %`, rate(plainMs), rate(shoalMs)])
for (const line of formatTable(['lost', 'plain TCP', 'shoal get, start and lookup included'], rows)) console.log(line)
if (values.json !== undefined) {
  writeFileSync(values.json, `${JSON.stringify({ succeeded, mib, mbit, figures }, null, 2)}\n`)
}

/** @typedef {{ name: string, address: string }} Machine */

/** @param {Machine} from @param {Machine} to @param {string} file @returns {Promise<number>} ms */
async function plain(from, to, file) {
  const send = nets.inside(from.name, process.execPath, [plainTcp, 'send', file, from.address])
  const sending = lab.run('plain sender', send.command, send.args)
  const { port } = await sending.event('ready', { signal: lab.signal })
  const copy = lab.path('plain.bin')
  const receive = nets.inside(to.name, process.execPath, [plainTcp, 'receive', `${port}`, copy, from.address])
  const start = performance.now()
  await lab.run('plain receiver', receive.command, receive.args).success({ signal: lab.signal })
  const ms = performance.now() - start
  await sending.success({ signal: lab.signal })
  return ms
}

/** @param {Machine} from @param {Machine} to @param {string} file @param {number} loss @returns {Promise<number>} ms */
async function fetched(from, to, file, loss) {
  const share = [cli, 'share', file, '--json', '--data-dir', lab.path(`share-${loss}`)]
  const listen = (/** @type {Machine} */ { address }) => ['--listen', `/ip4/${address}/tcp/4160`]
  const sharer = nets.inside(from.name, process.execPath, [...share, ...listen(from)])
  const sharing = lab.run('sharer', sharer.command, sharer.args)
  const { link } = await sharing.event('shared', { signal: lab.signal })
  const copy = lab.path(`copy-${loss}.bin`)
  const get = [cli, 'get', link, '-o', copy, '--json', '--data-dir', lab.path(`get-${loss}`), ...listen(to)]
  const getter = nets.inside(to.name, process.execPath, get)
  const start = performance.now()
  await lab.run('fetch', getter.command, getter.args).success({ signal: lab.signal })
  const ms = performance.now() - start
  sharing.kill('SIGTERM')
  await sharing.end
  if ((await hashOf(copy)) !== (await hashOf(file))) throw new Error(`with ${loss} % lost other bytes came`)
  return ms
}

/** @param {string} path */
async function hashOf(path) {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

/** @param {number} ms */
function rate(ms) {
  return `${(bytes / 1000 / ms).toFixed(2)} MB/s`
}
