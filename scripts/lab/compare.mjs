/**
 * Are two files or folders the same, byte for byte and in both directions? Written for the proofs of the demo and the
 * bench, so it shares no code with the program whose work it judges.
 */
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as breathe } from 'node:timers/promises'

const CHUNK_BYTES = 1 << 20
const ours = Buffer.allocUnsafe(CHUNK_BYTES)
const theirs = Buffer.allocUnsafe(CHUNK_BYTES)

/**
 * @typedef {object} Comparison
 * @property {string[]} differences one line each, at most 20; empty: all is the same
 * @property {number} files
 * @property {number} links symbolic links, compared by target and never followed
 * @property {number} folders
 * @property {number} bytes compared
 */

/**
 * @param {string} expected
 * @param {string} actual
 * @param {{ signal?: AbortSignal }} [options]
 * @returns {Promise<Comparison>}
 */
export async function compareTrees(expected, actual, { signal } = {}) {
  /** @type {Comparison} */
  const result = { differences: [], files: 0, links: 0, folders: 0, bytes: 0 }
  const pending = ['']
  let lastBreath = performance.now()
  while (pending.length > 0 && result.differences.length < 20) {
    const name = pending.pop() ?? ''
    compareOne(join(expected, name), join(actual, name), name || '.', result, child => pending.push(join(name, child)))
    // Reading is synchronous, which is fastest for thousands of small files; signals must still get through.
    if (performance.now() - lastBreath > 50) {
      await breathe()
      signal?.throwIfAborted()
      lastBreath = performance.now()
    }
  }
  return result
}

/**
 * @param {string} expected
 * @param {string} actual
 * @param {string} name for messages
 * @param {Comparison} result
 * @param {(child: string) => void} descend
 */
function compareOne(expected, actual, name, result, descend) {
  const kind = kindOf(expected)
  const otherKind = kindOf(actual)
  if (kind !== otherKind) {
    result.differences.push(`${name}: ${kind} became ${otherKind}`)
  } else if (kind === 'folder') {
    result.folders += 1
    const wanted = new Set(readdirSync(expected))
    const found = new Set(readdirSync(actual))
    for (const child of wanted) {
      if (found.has(child)) descend(child)
      else result.differences.push(`${join(name, child)}: missing`)
    }
    for (const child of found)
      if (!wanted.has(child)) result.differences.push(`${join(name, child)}: not in the original`)
  } else if (kind === 'link') {
    result.links += 1
    if (readlinkSync(expected) !== readlinkSync(actual)) result.differences.push(`${name}: links to another place`)
  } else if (kind === 'file') {
    result.files += 1
    const { bytes, difference } = compareFiles(expected, actual)
    result.bytes += bytes
    if (difference !== undefined) result.differences.push(`${name}: ${difference}`)
  } else {
    result.differences.push(`${name}: ${kind} cannot be compared`)
  }
}

/** @param {string} path */
function kindOf(path) {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return 'nothing'
  if (stat.isFile()) return 'file'
  if (stat.isDirectory()) return 'folder'
  return stat.isSymbolicLink() ? 'link' : 'a special file'
}

/**
 * @param {string} expected
 * @param {string} actual
 * @returns {{ bytes: number, difference?: string }}
 */
function compareFiles(expected, actual) {
  const left = openSync(expected, 'r')
  try {
    const right = openSync(actual, 'r')
    try {
      for (let bytes = 0; ; ) {
        const wanted = fill(left, ours)
        const found = fill(right, theirs)
        if (wanted !== found)
          return { bytes, difference: `differs in length after ${bytes + Math.min(wanted, found)} bytes` }
        if (!ours.subarray(0, wanted).equals(theirs.subarray(0, found))) {
          return { bytes, difference: `differs within the ${CHUNK_BYTES} bytes from ${bytes} on` }
        }
        bytes += wanted
        if (wanted < CHUNK_BYTES) return { bytes }
      }
    } finally {
      closeSync(right)
    }
  } finally {
    closeSync(left)
  }
}

/** @param {number} fd @param {Buffer} buffer @returns {number} bytes read; less than the buffer only at the end */
function fill(fd, buffer) {
  let filled = 0
  while (filled < buffer.length) {
    const read = readSync(fd, buffer, filled, buffer.length - filled, null)
    if (read === 0) break
    filled += read
  }
  return filled
}
