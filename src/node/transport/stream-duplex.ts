/** A libp2p stream as a stream of Node's, for what can only work on those. Slower than a socket of the runtime's. */
import { Duplex } from 'node:stream'
import type { MessageStream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'
import { ShoalError } from '../../base/errors.ts'

/** The stream is the duplex's from now on: ending it closes the stream, destroying it with an error aborts it. */
export function streamDuplex(stream: MessageStream): Duplex {
  let isPaused = false
  const send = (data: Uint8Array | Uint8ArrayList, done: (err?: Error | null) => void): void => {
    try {
      if (stream.send(data)) done()
      else drained(stream).then(() => done(), done)
    } catch (err) {
      done(toError(err))
    }
  }
  const duplex = new Duplex({
    write: (chunk: Uint8Array, _encoding, done) => send(chunk, done),
    writev: (chunks, done) => send(new Uint8ArrayList(...chunks.map(({ chunk }) => chunk as Uint8Array)), done),
    read: () => {
      if (!isPaused) return
      isPaused = false
      if (stream.status === 'open') stream.resume()
    },
    final: done => {
      stream.close().then(() => done(), done)
    },
    destroy: (err, done) => {
      stream.removeEventListener('message', onMessage)
      if (err !== null) stream.abort(err)
      else if (stream.status === 'open') {
        stream.close().catch((closeErr: unknown) => stream.abort(toError(closeErr)))
      }
      done(err)
    }
  })
  const onMessage = ({ data }: StreamMessageEvent): void => {
    let takesMore = true
    for (const chunk of data instanceof Uint8Array ? [data] : data) takesMore = duplex.push(chunk)
    if (takesMore || stream.status !== 'open') return
    isPaused = true
    stream.pause()
  }
  stream.addEventListener(
    'close',
    ({ error }: StreamCloseEvent) => {
      if (error === undefined) duplex.push(null)
      duplex.destroy(error)
    },
    { once: true }
  )
  stream.addEventListener('message', onMessage)
  return duplex
}

/** `onDrain` of libp2p resolves at once when it is asked for a second time. */
function drained(stream: MessageStream): Promise<void> {
  return new Promise((resolve, reject) => {
    const onDrain = () => {
      stream.removeEventListener('close', onClose)
      resolve()
    }
    const onClose = ({ error }: StreamCloseEvent) => {
      stream.removeEventListener('drain', onDrain)
      reject(error ?? new ShoalError('ERR_UNREACHABLE', 'the connection closed'))
    }
    stream.addEventListener('drain', onDrain, { once: true })
    stream.addEventListener('close', onClose, { once: true })
  })
}

const toError = (err: unknown): Error => (err instanceof Error ? err : new ShoalError('ERR_BUG', String(err)))
