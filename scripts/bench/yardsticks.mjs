/** What the machine can do without shoal, measured in the same run. All times in ms. */
import { fileURLToPath } from 'node:url'

/** @typedef {import('../lab/lab.mjs').Lab} Lab */

const HASH = `
  const { createHash } = require('node:crypto'), { openSync, readSync } = require('node:fs')
  const fd = openSync(process.argv[1]), buffer = Buffer.allocUnsafe(1 << 20), hash = createHash('sha256')
  for (let n; (n = readSync(fd, buffer)) > 0;) hash.update(buffer.subarray(0, n))
  console.log(JSON.stringify({ event: 'done', hash: hash.digest('hex') }))`
const BARE = `console.log(JSON.stringify({ event: 'ready' })); setInterval(() => {}, 1e6)`

/** One SHA-256 over the whole file, by Node's crypto on one core. @param {Lab} lab @param {string} file */
export async function hashWithNode(lab, file) {
  const { atMs } = await lab.run('node sha256', process.execPath, ['-e', HASH, file]).event('done', lab)
  return Number(atMs)
}

/** File to file over a plain socket on loopback. @param {Lab} lab @param {string} file @param {string} to */
export async function copyOverTcp(lab, file, to) {
  const script = fileURLToPath(new URL('plain-tcp.mjs', import.meta.url))
  const sender = lab.run('plain sender', process.execPath, [script, 'send', file])
  const { port } = await sender.event('ready', lab)
  const receiver = lab.run('plain receiver', process.execPath, [script, 'receive', String(port), to])
  const { atMs } = await receiver.event('done', lab)
  await Promise.all([sender.success(lab), receiver.success(lab)])
  return Number(atMs)
}

/** `cp -r`. @param {Lab} lab @param {string} from @param {string} to */
export async function copyFolder(lab, from, to) {
  const run = lab.run('cp -r', 'cp', ['-r', from, to])
  await run.success(lab)
  return performance.now() - run.startedAt
}

/** A Node process that does nothing: time to its first line, and its memory in bytes. @param {Lab} lab */
export async function bareNode(lab) {
  const run = lab.run('bare node', process.execPath, ['-e', BARE])
  const { atMs } = await run.event('ready', lab)
  const memory = run.memory()
  run.kill('SIGKILL')
  await run.end
  return { readyMs: Number(atMs), residentBytes: memory?.nowBytes ?? Number.NaN }
}
