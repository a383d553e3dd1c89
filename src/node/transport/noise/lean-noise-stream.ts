/**
 * The stream of @chainsafe/libp2p-noise with less to do for each byte: a send is encrypted into one buffer and one
 * write (the stock one makes a write of the length, of each part and of the tag), what arrives is decrypted where it
 * lies, and both go past the lists and events of libp2p where the layer above is ours. The handshake, the keys and the
 * bytes on the wire are the stock ones.
 */
import type { MessageStream } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'
import { ShoalError } from '../../../base/errors.ts'
import type { DirectStream } from '../direct-stream.ts'
import { LENGTH_BYTES, MAX_MESSAGE_BYTES, MessageAssembler } from './message-assembler.ts'

const TAG_BYTES = 16
const MAX_PLAIN_BYTES = MAX_MESSAGE_BYTES - TAG_BYTES

type Bytes = Uint8Array | Uint8ArrayList

/** What the stock stream is made of, beyond its published type. */
interface StockStream extends MessageStream {
  stream: MessageStream
  handshake: {
    encrypt(plain: Bytes): Bytes
    decrypt(cipher: Uint8Array, into: Uint8Array): Bytes
  }
  decoder: { buffer?: Iterable<Uint8Array>; decode(data: Bytes): Iterable<Uint8Array> }
  writeBuffer: Uint8ArrayList
  readBuffer: Uint8ArrayList
  sendingData: boolean
  readStatus: string
  writeStatus: string
  sendData(data: Uint8ArrayList): { sentBytes: number; canSendMore: boolean }
  onData(data: Bytes): void
  dispatchReadBuffer(): void
}

/** A stream that is built otherwise is left as it is. */
export function leanNoiseStream(stream: MessageStream): MessageStream {
  if (!isStock(stream)) return stream
  const { handshake } = stream
  const assembler = new MessageAssembler()
  let onChunk: ((chunk: Uint8Array) => void) | undefined

  const encrypt = (chunks: Iterable<Uint8Array>, byteLength: number): Uint8Array => {
    const messages = Math.ceil(byteLength / MAX_PLAIN_BYTES)
    const out = Buffer.allocUnsafe(byteLength + messages * (LENGTH_BYTES + TAG_BYTES))
    let at = 0
    for (const plain of cut(chunks, MAX_PLAIN_BYTES)) {
      const cipher = handshake.encrypt(plain)
      at = out.writeUInt16BE(cipher.byteLength, at)
      for (const part of cipher instanceof Uint8Array ? [cipher] : cipher) {
        out.set(part, at)
        at += part.byteLength
      }
    }
    return out
  }

  const received = (cipher: Uint8Array): void => {
    if (cipher.byteLength < TAG_BYTES) throw new ShoalError('ERR_PROTOCOL', 'a noise message without a tag')
    const plain = handshake.decrypt(cipher, cipher.subarray(0, cipher.byteLength - TAG_BYTES))
    if (onChunk !== undefined && stream.readStatus === 'readable' && stream.readBuffer.byteLength === 0) {
      for (const part of plain instanceof Uint8Array ? [plain] : plain) if (part.byteLength > 0) onChunk(part)
    } else stream.onData(plain)
  }

  // a message of which a part came with the end of the handshake
  for (const chunk of stream.decoder.buffer ?? []) assembler.push(chunk, received)
  // the stock stream hands every chunk to its decoder and decrypts what that gives back: nothing
  stream.decoder = {
    decode: data => {
      for (const chunk of data instanceof Uint8Array ? [data] : data) assembler.push(chunk, received)
      return []
    }
  }
  stream.sendData = data => ({
    sentBytes: data.byteLength,
    canSendMore: stream.stream.send(encrypt(data, data.byteLength))
  })

  const stockDispatch = stream.dispatchReadBuffer.bind(stream)
  stream.dispatchReadBuffer = () => {
    while (onChunk !== undefined && stream.readBuffer.byteLength > 0 && stream.readStatus === 'readable') {
      const waiting = stream.readBuffer.sublist()
      stream.readBuffer.consume(waiting.byteLength)
      for (const chunk of waiting) onChunk(chunk)
    }
    stockDispatch()
  }

  const direct: DirectStream = {
    sendChunks: (chunks, onConsumed) => {
      let byteLength = 0
      for (const chunk of chunks) byteLength += chunk.byteLength
      const mustWait = stream.writableNeedsDrain || stream.sendingData || stream.writeBuffer.byteLength > 0
      if (mustWait || byteLength === 0 || stream.writeStatus !== 'writable') {
        return stream.send(new Uint8ArrayList(...chunks))
      }
      const cipher = encrypt(chunks, byteLength)
      onConsumed?.()
      const takesMore = stream.stream.send(cipher)
      if (!takesMore) stream.writableNeedsDrain = true
      return takesMore
    },
    get onChunk() {
      return onChunk
    },
    set onChunk(handler) {
      onChunk = handler
      if (handler !== undefined && stream.readBuffer.byteLength > 0) queueMicrotask(() => stream.dispatchReadBuffer())
    }
  }
  return Object.defineProperties(stream, Object.getOwnPropertyDescriptors(direct))
}

/** Lists of at most `max` bytes each, views of the chunks. */
function* cut(chunks: Iterable<Uint8Array>, max: number): Generator<Uint8ArrayList> {
  let list = new Uint8ArrayList()
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.byteLength; ) {
      const part = chunk.subarray(at, at + max - list.byteLength)
      list.append(part)
      at += part.byteLength
      if (list.byteLength < max) continue
      yield list
      list = new Uint8ArrayList()
    }
  }
  if (list.byteLength > 0) yield list
}

function isStock(stream: object): stream is StockStream {
  return (
    'stream' in stream &&
    'handshake' in stream &&
    typeof stream.handshake === 'object' &&
    'decoder' in stream &&
    'sendData' in stream &&
    'dispatchReadBuffer' in stream &&
    'readBuffer' in stream &&
    'writeBuffer' in stream
  )
}
