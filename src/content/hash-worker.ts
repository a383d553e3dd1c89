/** A thread that reads chunks of files that are open in this process, and hashes them. Started by chunk-hasher.ts. */
import '../base/polyfill.ts'
import { hash } from 'node:crypto'
import { readSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { ShoalError, systemCode } from '../base/errors.ts'
import type { HashAnswer, HashRequest } from './chunk-hasher.ts'

if (parentPort === null) throw new ShoalError('ERR_BUG', 'hash-worker is no program of its own')
const port = parentPort
/** Grows to the longest chunk that was asked for. */
let buffer = Buffer.alloc(0)

port.on('message', (request: HashRequest) => port.postMessage(answer(request)))

function answer({ id, fd, position, length }: HashRequest): HashAnswer {
  try {
    if (buffer.byteLength < length) buffer = Buffer.allocUnsafeSlow(length)
    let had = 0
    while (had < length) {
      const got = readSync(fd, buffer, had, length - had, position + had)
      if (got === 0) return { id, digest: null, error: null }
      had += got
    }
    return { id, digest: hash('sha256', buffer.subarray(0, length), 'buffer'), error: null }
  } catch (err) {
    return { id, digest: null, error: { code: systemCode(err), message: String(err) } }
  }
}
