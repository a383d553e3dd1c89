/** A thread that does what is asked of it on the disk, one job after another. Started by disk-threads.ts. */
import '../../base/polyfill.ts'
import { parentPort } from 'node:worker_threads'
import { ShoalError, systemCode } from '../../base/errors.ts'
import type { JobAnswered, JobAsked } from './disk-jobs.ts'
import { performJob } from './perform-job.ts'

if (parentPort === null) throw new ShoalError('ERR_BUG', 'disk-worker is no program of its own')
const port = parentPort

port.on('message', (asked: JobAsked) => {
  const answered = answer(asked)
  port.postMessage(answered, 'answer' in answered ? buffersOf(answered.answer) : [])
})

function answer({ kind, job }: JobAsked): JobAnswered {
  try {
    return { answer: performJob(kind, job) }
  } catch (err) {
    return { error: { code: systemCode(err), message: String(err) } }
  }
}

/** Moved instead of copied. */
function buffersOf(answer: object): ArrayBuffer[] {
  return Object.values(answer)
    .flat()
    .flatMap(value => {
      const memory = ArrayBuffer.isView(value) ? value.buffer : value
      return memory instanceof ArrayBuffer ? [memory] : []
    })
}
