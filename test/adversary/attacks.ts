/** What a hostile peer does once its stream is open. Each returns when it has begun; it goes on until it is ended. */
import type { Message } from '../../src/transfer/protocol/messages.ts'
import type { AttackStream } from './attacker.ts'

export interface Attack {
  readonly name: string
  /** The code with which its session ends; undefined: it may stay. */
  readonly ends: string | undefined
  run(stream: AttackStream, cid: string): void
}

/** Frames in one write, so that a flood costs the attacker little. */
const IN_A_WRITE = 2000

function flood(name: string, ends: string, messages: readonly Message[]): Attack {
  return {
    name,
    ends,
    run: (stream, cid) => {
      stream.hello(cid, { kind: 'none' })
      stream.say({ type: 'interested' })
      const go = () => {
        if (stream.isClosed || stream.goodbye !== undefined) return
        for (let at = 0; at < IN_A_WRITE; at += messages.length) stream.say(...messages)
        setImmediate(go)
      }
      go()
    }
  }
}

const piece = { first: 0, count: 1 }

export const ATTACKS: readonly Attack[] = [
  flood('requests', 'limit', [
    { type: 'request', id: 9, offset: 0, length: 1 },
    { type: 'cancel', id: 9 }
  ]),
  flood('haves', 'limit', [
    { type: 'have', runs: [piece], coming: [] },
    { type: 'lost', runs: [piece] }
  ]),
  flood('chokes', 'limit', [{ type: 'choke' }, { type: 'unchoke' }]),
  flood('pex', 'limit', [{ type: 'pex', added: [], dropped: Array.from({ length: 50 }, (_, at) => `p${at}`) }]),
  flood('bitfields', 'limit', [{ type: 'haveBitfield', have: { kind: 'all' } }]),
  flood('DAG-node requests', 'limit', [{ type: 'nodeRequest', first: 0, count: 1024 }]),
  {
    name: 'a request outside the pieces',
    ends: 'protocol',
    run: (stream, cid) => {
      stream.hello(cid, { kind: 'none' })
      stream.say({ type: 'request', id: 1, offset: 2 ** 40, length: 1 })
    }
  },
  {
    name: 'a huge frame',
    ends: 'limit',
    run: (stream, cid) => {
      stream.hello(cid, { kind: 'none' })
      stream.raw(Uint8Array.of(0x7f, 0xff, 0xff, 0xff, 0))
    }
  },
  {
    name: 'frames of unknown type without end',
    ends: 'limit',
    run: (stream, cid) => {
      stream.hello(cid, { kind: 'none' })
      const frame = new Uint8Array(256 * 1024)
      new DataView(frame.buffer).setUint32(0, frame.byteLength - 4)
      frame[4] = 9
      const go = () => {
        if (stream.isClosed || stream.goodbye !== undefined) return
        stream.raw(frame)
        setImmediate(go)
      }
      go()
    }
  },
  {
    name: 'a false bitfield, and silence',
    ends: undefined,
    run: (stream, cid) => {
      stream.hello(cid, { kind: 'all' })
      stream.say({ type: 'offer', pieces: [0, 1, 2, 3] }, { type: 'interested' })
    }
  },
  {
    name: 'every offer rejected',
    ends: undefined,
    run: (stream, cid) => {
      stream.hello(cid, { kind: 'all' })
      stream.onMessage = message => {
        if (message.type === 'request') stream.say({ type: 'reject', id: message.id, code: 'notHeld' })
      }
      stream.say({ type: 'offer', pieces: [0, 1, 2, 3] })
    }
  }
]
