/** What lies below a stream: muxer frames, and the lengths ahead of noise messages. */
import type { Stream } from '@libp2p/interface'
import { multiaddrConnectionPair } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { MessageAssembler } from '../../src/node/transport/noise/message-assembler.ts'
import { encodeHeader } from '../../src/node/transport/yamux/frame.ts'
import { YamuxMuxer } from '../../src/node/transport/yamux/muxer.ts'
import { InputReader } from '../input-reader.ts'
import { claim, type Target } from '../target.ts'

const MAX_STREAMS = 6
const MAX_EARLY = 3
const MAX_STEPS = 120
const WINDOW_BYTES = 512 * 1024
/** By default each pair takes the next two ports, and there are no more after 32,768 pairs. */
const END = { remoteAddr: multiaddr('/ip4/127.0.0.1/tcp/1') }

export const muxerFrames: Target = {
  name: 'muxer-frames',
  claims: 'any frames: no exception, no more streams than may be, nothing handed out that did not come',
  maxBytes: 1_024,
  seeds: () => [
    // opened, data, closed; pings; a stream of ours that is answered; go away
    Uint8Array.from([0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 9, 9, 9, 9, 0, 0, 4, 1, 0]),
    Uint8Array.from([1, 4, 1, 2, 0, 0, 0, 7, 1, 2, 2, 0, 1, 0, 0, 0, 3, 1, 2, 3]),
    Uint8Array.from(Array.from({ length: 200 }, (_, i) => (i * 11) % 256)),
    Uint8Array.from([1, ...Array.from({ length: 20 }, (_, i) => [3, 1, 1, i * 2 + 1, 0]).flat()])
  ],
  run: async input => {
    const reader = new InputReader(input)
    const [far, near] = multiaddrConnectionPair({ inbound: END, outbound: END })
    const muxer = new YamuxMuxer(near, {
      maxInboundStreams: MAX_STREAMS,
      maxOutboundStreams: MAX_STREAMS,
      maxEarlyStreams: MAX_EARLY,
      maxWindowBytes: WINDOW_BYTES,
      keepAliveMs: 0
    })
    let sent = 0
    let given = 0
    const take = (stream: Stream) => {
      stream.addEventListener('message', ({ data }) => {
        given += data.byteLength
      })
    }
    if (reader.byte() % 4 > 0) muxer.addEventListener('stream', ({ detail }) => take(detail))
    try {
      for (let step = 0; step < MAX_STEPS && !reader.isDone && far.status === 'open'; step++) {
        const bytes = next(reader, muxer, take)
        if (bytes.byteLength > 0) {
          sent += bytes.byteLength
          far.send(bytes)
        }
        if (step % 5 === 4) await turn()
        for (const direction of ['inbound', 'outbound']) {
          const count = muxer.streams.filter(stream => stream.direction === direction).length
          claim(count <= MAX_STREAMS, `${count} ${direction} streams`)
        }
      }
      await turn()
      claim(given <= sent, `${given} bytes out of ${sent}`)
    } finally {
      for (const end of [muxer, far, near]) end.abort(new Error('the play is over'))
      await turn()
    }
    claim(muxer.streams.length === 0, 'a stream outlives its muxer')
  }
}

function next(reader: InputReader, muxer: YamuxMuxer, take: (stream: Stream) => void): Uint8Array {
  switch (reader.below(8)) {
    case 0:
      return reader.bytes(40)
    case 1:
      void muxer.createStream().then(take, () => {})
      return new Uint8Array(0)
    case 2: {
      const stream = muxer.streams[reader.below(MAX_STREAMS)]
      if (stream?.status === 'open' && stream.writeStatus === 'writable') stream.send(new Uint8Array(reader.u16()))
      return new Uint8Array(0)
    }
    default: {
      const type = reader.below(5)
      const [flags, stream] = [reader.byte() % 16, reader.below(40)]
      if (type > 0)
        return encodeHeader({
          type,
          flags,
          stream,
          length: reader.pick([0, 1, 65_535, 262_144, 0x7fff_ffff, 0xffff_ffff])
        })
      const payload = reader.bytes()
      // now and then the header says another length than follows
      const length = payload.byteLength + reader.pick([0, 0, 0, 1, 300_000])
      return Buffer.concat([encodeHeader({ type, flags, stream, length }), payload])
    }
  }
}

async function turn(): Promise<void> {
  for (let n = 0; n < 3; n++) await new Promise<void>(resolve => setImmediate(resolve))
}

export const noiseMessages: Target = {
  name: 'noise-messages',
  claims: 'any split of the bytes gives the same messages, which are those of the stream',
  maxBytes: 2_048,
  seeds: () => [
    Uint8Array.of(3, 0, 2, 1, 2, 0, 0, 0, 1, 9, 0, 5, 1),
    Uint8Array.of(0, 255, 255, 1, 2, 3),
    Uint8Array.from([1, 1, 44, ...new Array(300).fill(7), 0, 1, 1])
  ],
  run: input => {
    const stream = input.subarray(1)
    const cut = (step: number) => {
      const messages: string[] = []
      const assembler = new MessageAssembler()
      for (let at = 0; at < stream.byteLength; at += step) {
        assembler.push(stream.subarray(at, at + step), message => messages.push(Buffer.from(message).toString('hex')))
      }
      return messages
    }
    const expected: string[] = []
    for (let at = 0; at + 2 <= stream.byteLength; ) {
      const end = at + 2 + ((stream[at] ?? 0) << 8) + (stream[at + 1] ?? 0)
      if (end <= stream.byteLength) expected.push(Buffer.from(stream.subarray(at + 2, end)).toString('hex'))
      at = end
    }
    for (const step of [1 + (input[0] ?? 0), stream.byteLength || 1]) {
      claim(cut(step).join() === expected.join(), `other messages in steps of ${step}`)
    }
  }
}
