/** What a control message weighs on the wire, near enough: the simulator passes messages by reference. */
import type { Have, Message } from '../src/transfer/protocol/messages.ts'

/** Frame header, protobuf tags, muxer header, cipher tag, and a packet's headers. */
const BASE_BYTES = 80
const RUN_BYTES = 8
const PEER_BYTES = 60

export function messageBytes(message: Message): number {
  switch (message.type) {
    case 'hello':
      return BASE_BYTES + message.root.byteLength + 16 + haveBytes(message.have)
    case 'haveBitfield':
      return BASE_BYTES + haveBytes(message.have)
    case 'have':
      return BASE_BYTES + RUN_BYTES * message.runs.length + 3 * message.coming.length
    case 'want':
      return BASE_BYTES + RUN_BYTES * (message.urgent.length + message.ahead.length)
    case 'lost':
      return BASE_BYTES + RUN_BYTES * message.runs.length
    case 'offer':
    case 'suggest':
    case 'decline':
    case 'arriving':
      return BASE_BYTES + 3 * message.pieces.length
    case 'request':
      return BASE_BYTES + 14
    case 'nodes':
      return message.blocks.reduce((sum, block) => sum + block.byteLength + 4, BASE_BYTES)
    case 'pex':
      return BASE_BYTES + PEER_BYTES * message.added.length + 40 * message.dropped.length
    case 'goodbye':
      return BASE_BYTES + message.message.length
    default:
      return BASE_BYTES
  }
}

function haveBytes(have: Have): number {
  return have.kind === 'bitfield' ? have.bytes.byteLength : 1
}
