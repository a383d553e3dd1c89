/** A command of the built program that is killed, and what both folders that are looked at afterwards need for that. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { checkout } from '../lab/checkout.mjs'

/** @typedef {{ point: string, nth: number } | { afterMs: number }} Kill */
/** @typedef {{ event: string, [key: string]: unknown }} Event */
/** @typedef {{ killed: boolean, code: number | null, events: Event[], lines: string[], stderr: string, ms: number }} Ran */

const RUN_TIMEOUT_MS = 60_000

/** @param {number} length @param {string} seed */
export function noise(length, seed) {
  const parts = []
  for (let i = 0; i * 32 < length; i++) parts.push(createHash('sha256').update(`${seed}/${i}`).digest())
  return Buffer.concat(parts).subarray(0, length)
}

/**
 * What would be advertised, hashed here.
 * @param {import('../../src/content/store/stored-root.ts').StoredRoot} root
 * @param {string} what
 * @returns {Promise<string[]>} a sentence for each piece that is not right
 */
export async function falsePieces(root, what) {
  const { pieces } = root
  /** @type {string[]} */
  const found = []
  for (const piece of root.have.ones()) {
    const block = await root.read(pieces.offset(piece), pieces.wireSize(piece)).catch(() => Buffer.alloc(0))
    const digest = createHash('sha256').update(block).digest()
    if (!digest.equals(pieces.digest(piece))) found.push(`piece ${piece} of ${what} is advertised and false`)
  }
  return found
}

/** A module of the built program. @param {string} path @returns {Promise<any>} */
export async function load(path) {
  return await import(join(checkout, 'dist', path))
}

/**
 * @param {string[]} args
 * @param {{ kill?: Kill | undefined, pointLog?: string | undefined, until?: readonly string[] }} options `until`: it is
 *   asked to end when it tells one of these events
 * @returns {Promise<Ran>}
 */
export async function execute(args, { kill, pointLog, until = [] }) {
  /** @type {Record<string, string>} */
  const points = {}
  if (kill !== undefined && 'point' in kill) points['SHOAL_FAULT_POINT'] = `${kill.point}@${kill.nth}`
  if (pointLog !== undefined) points['SHOAL_FAULT_LOG'] = pointLog
  const startedAt = performance.now()
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...points, NODE_ENV: 'test' }
  })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', text => {
    stderr += text
  })
  /** @type {string[]} */
  const lines = []
  createInterface({ input: child.stdout }).on('line', line => {
    lines.push(line)
    if (until.some(event => line.startsWith(`{"event":"${event}"`))) child.kill('SIGTERM')
  })
  const isTimed = kill !== undefined && 'afterMs' in kill
  const timer = setTimeout(() => child.kill('SIGKILL'), isTimed ? kill.afterMs : RUN_TIMEOUT_MS)
  const [code, signal] = await new Promise(resolve => child.once('close', (...end) => resolve(end)))
  clearTimeout(timer)
  const ms = performance.now() - startedAt
  const events = lines.filter(line => line.startsWith('{')).map(line => JSON.parse(line))
  const killed = signal === 'SIGKILL'
  if (killed && !isTimed && ms >= RUN_TIMEOUT_MS) stderr += `\nstill running after ${RUN_TIMEOUT_MS / 1000} s`
  return { killed, code, events, lines, stderr, ms }
}

/** The points that a run passed, and how often. @param {string} file */
export function readPoints(file) {
  /** @type {Map<string, number>} */
  const counts = new Map()
  if (!existsSync(file)) return counts
  for (const name of readFileSync(file, 'utf8').split('\n')) {
    if (name !== '') counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return counts
}
