/**
 * Control messages to bytes and back. Decoding is the border: every number from a peer is bounded here, once. What a
 * message means in its context (is the piece there, may it ask now) is the core's to judge.
 */
import { MaxLengthError } from 'protons-runtime'
import { withArrayBuffer } from 'uint8arrays/with-array-buffer'
import { ShoalError } from '../../base/errors.ts'
import * as limits from './limits.ts'
import type { GoodbyeCode, Have, Message, PexPeer, RejectCode, Run } from './messages.ts'
import { Control, type HaveState, type Hello, type Nodes, type Pex, type Request, type Runs } from './wire.ts'

const HAVE_NONE = 0
const HAVE_ALL = 1
const HAVE_BITFIELD = 2

const GOODBYE_CODES: readonly GoodbyeCode[] = [
  'other',
  'stopping',
  'notFound',
  'duplicate',
  'protocol',
  'limit',
  'badData',
  'idle',
  'full'
]
const REJECT_CODES: readonly RejectCode[] = ['other', 'choked', 'notHeld', 'busy']

const DECODE_OPTIONS = {
  limits: {
    have: { first: limits.MAX_HAVE_RUNS, count: limits.MAX_HAVE_RUNS, coming: limits.MAX_OFFER_PIECES },
    lost: { first: limits.MAX_HAVE_RUNS, count: limits.MAX_HAVE_RUNS, coming: 0 },
    want: {
      urgent: { first: limits.MAX_HAVE_RUNS, count: limits.MAX_HAVE_RUNS, coming: 0 },
      ahead: { first: limits.MAX_HAVE_RUNS, count: limits.MAX_HAVE_RUNS, coming: 0 }
    },
    offer: { pieces: limits.MAX_OFFER_PIECES },
    suggest: { pieces: limits.MAX_OFFER_PIECES },
    decline: { pieces: limits.MAX_OFFER_PIECES },
    arriving: { pieces: limits.MAX_OFFER_PIECES },
    nodes: { blocks: limits.MAX_NODES_PER_REQUEST },
    pex: { added: limits.MAX_PEX_PEERS, added$: { addrs: limits.MAX_PEX_ADDRS }, dropped: limits.MAX_PEX_PEERS }
  }
}

/** The sender keeps within limits.ts; nothing is checked here. */
export function encodeMessage(message: Message): Uint8Array {
  return Control.encode(toWire(message))
}

/**
 * Undefined for a kind of message that this version does not know. Byte fields are views of `bytes`.
 * @throws ERR_PROTOCOL for what is malformed, ERR_LIMIT for what is too much
 */
export function decodeMessage(bytes: Uint8Array): Message | undefined {
  if (bytes.byteLength > limits.MAX_CONTROL_BYTES) throw limit(`a control message of ${bytes.byteLength} bytes`)
  let control: Control
  try {
    control = Control.decode(bytes, DECODE_OPTIONS)
  } catch (cause) {
    if (cause instanceof MaxLengthError) throw limit('too long a list', cause)
    throw violation('a malformed control message', cause)
  }
  let found: string | undefined
  // the codec sets only what came
  for (const type in control) {
    if (found !== undefined) throw violation(`${found} and ${type} in one message`)
    found = type
  }
  return found === undefined ? undefined : fromWire(control)
}

function toWire(message: Message): Partial<Control> {
  switch (message.type) {
    case 'hello': {
      const { root, features, manifest, maxRequests, maxRequestBytes } = message
      return {
        hello: {
          root: withArrayBuffer(root),
          features,
          manifest,
          have: haveToWire(message.have),
          maxRequests,
          maxRequestBytes
        }
      }
    }
    case 'haveBitfield':
      return { haveBitfield: haveToWire(message.have) }
    case 'have':
      return { have: { ...runsToWire(message.runs), coming: [...message.coming] } }
    case 'lost':
      return { lost: runsToWire(message.runs) }
    case 'interested':
      return { interested: {} }
    case 'notInterested':
      return { notInterested: {} }
    case 'choke':
      return { choke: {} }
    case 'unchoke':
      return { unchoke: {} }
    case 'offer':
      return { offer: { pieces: [...message.pieces] } }
    case 'suggest':
      return { suggest: { pieces: [...message.pieces] } }
    case 'decline':
      return { decline: { pieces: [...message.pieces], busy: message.busy } }
    case 'arriving':
      return { arriving: { pieces: [...message.pieces] } }
    case 'want':
      return {
        want: { urgent: runsToWire(message.urgent), ahead: runsToWire(message.ahead), only: message.only }
      }
    case 'request':
      return { request: { id: message.id, offset: message.offset, length: message.length } }
    case 'cancel':
      return { cancel: { id: message.id } }
    case 'reject':
      return { reject: { id: message.id, code: Math.max(0, REJECT_CODES.indexOf(message.code)) } }
    case 'nodeRequest':
      return { nodeRequest: { first: message.first, count: message.count } }
    case 'nodes':
      return { nodes: { first: message.first, total: message.total, blocks: message.blocks.map(withArrayBuffer) } }
    case 'pex':
      return {
        pex: {
          added: message.added.map(({ id, addrs, seeder }) => ({ id, addrs: [...addrs], seeder })),
          dropped: [...message.dropped]
        }
      }
    case 'goodbye':
      return {
        goodbye: {
          code: Math.max(0, GOODBYE_CODES.indexOf(message.code)),
          message: shortened(message.message)
        }
      }
  }
}

function fromWire(control: Control): Message {
  if (control.hello !== undefined) return helloFromWire(control.hello)
  if (control.haveBitfield !== undefined) return { type: 'haveBitfield', have: haveFromWire(control.haveBitfield) }
  if (control.have !== undefined) {
    return { type: 'have', runs: runsFromWire(control.have), coming: piecesFromWire(control.have.coming) }
  }
  if (control.lost !== undefined) return { type: 'lost', runs: runsFromWire(control.lost) }
  if (control.interested !== undefined) return { type: 'interested' }
  if (control.notInterested !== undefined) return { type: 'notInterested' }
  if (control.choke !== undefined) return { type: 'choke' }
  if (control.unchoke !== undefined) return { type: 'unchoke' }
  if (control.offer !== undefined) return { type: 'offer', pieces: piecesFromWire(control.offer.pieces) }
  if (control.suggest !== undefined) return { type: 'suggest', pieces: piecesFromWire(control.suggest.pieces) }
  if (control.decline !== undefined) {
    const { pieces, busy } = control.decline
    return { type: 'decline', pieces: piecesFromWire(pieces), busy }
  }
  if (control.arriving !== undefined) return { type: 'arriving', pieces: piecesFromWire(control.arriving.pieces) }
  if (control.want !== undefined) {
    const { urgent, ahead, only } = control.want
    return { type: 'want', urgent: maybeRuns(urgent), ahead: maybeRuns(ahead), only }
  }
  if (control.request !== undefined) return requestFromWire(control.request)
  if (control.cancel !== undefined) return { type: 'cancel', id: control.cancel.id }
  if (control.reject !== undefined) {
    return { type: 'reject', id: control.reject.id, code: REJECT_CODES[control.reject.code] ?? 'other' }
  }
  if (control.nodeRequest !== undefined) {
    const { first, count } = control.nodeRequest
    checkRange('nodeRequest', first, count, limits.MAX_NODES_PER_REQUEST, limits.MAX_NODES)
    return { type: 'nodeRequest', first, count }
  }
  if (control.nodes !== undefined) return nodesFromWire(control.nodes)
  if (control.pex !== undefined) return pexFromWire(control.pex)
  if (control.goodbye !== undefined) {
    if (control.goodbye.message.length > limits.MAX_TEXT_BYTES) throw limit('too long a goodbye')
    return {
      type: 'goodbye',
      code: GOODBYE_CODES[control.goodbye.code] ?? 'other',
      message: control.goodbye.message
    }
  }
  throw violation('an empty control message')
}

function helloFromWire(hello: Hello): Message {
  if (hello.root.byteLength === 0) throw violation('a hello without a root')
  if (hello.root.byteLength > limits.MAX_ROOT_BYTES) throw limit('too long a root')
  if (hello.have === undefined) throw violation('a hello without its haves')
  if (hello.maxRequests < 1) throw violation('a hello that allows no request')
  if (!(hello.maxRequestBytes >= limits.MIN_REQUEST_BYTES_IN_FLIGHT)) {
    throw violation('a hello that allows less than one request of the largest size')
  }
  return {
    type: 'hello',
    root: hello.root,
    features: hello.features,
    manifest: hello.manifest,
    have: haveFromWire(hello.have),
    maxRequests: Math.min(hello.maxRequests, limits.MAX_REQUESTS_IN_FLIGHT),
    maxRequestBytes: Math.min(hello.maxRequestBytes, limits.MAX_REQUEST_BYTES_IN_FLIGHT)
  }
}

function haveToWire(have: Have): HaveState {
  switch (have.kind) {
    case 'none':
      return { kind: HAVE_NONE, bitfield: new Uint8Array(0) }
    case 'all':
      return { kind: HAVE_ALL, bitfield: new Uint8Array(0) }
    case 'bitfield':
      return { kind: HAVE_BITFIELD, bitfield: withArrayBuffer(have.bytes) }
  }
}

function haveFromWire(have: HaveState): Have {
  if (have.bitfield.byteLength > limits.MAX_BITFIELD_BYTES) throw limit('too long a bitfield')
  switch (have.kind) {
    case HAVE_NONE:
      return { kind: 'none' }
    case HAVE_ALL:
      return { kind: 'all' }
    case HAVE_BITFIELD:
      return { kind: 'bitfield', bytes: have.bitfield }
    default:
      throw violation(`haves of the unknown kind ${have.kind}`)
  }
}

function runsToWire(runs: readonly Run[]): Runs {
  return { first: runs.map(run => run.first), count: runs.map(run => run.count), coming: [] }
}

function runsFromWire(runs: Runs): Run[] {
  if (runs.first.length !== runs.count.length) throw violation('runs whose numbers do not pair')
  let total = 0
  return runs.first.map((first, i) => {
    const count = runs.count[i] ?? 0
    checkRange('run of pieces', first, count, limits.MAX_PIECES, limits.MAX_PIECES)
    total += count
    if (total > limits.MAX_PIECES) throw limit('runs that overlap')
    return { first, count }
  })
}

function maybeRuns(runs: Runs | undefined): Run[] {
  return runs === undefined ? [] : runsFromWire(runs)
}

function piecesFromWire(pieces: readonly number[]): readonly number[] {
  for (const piece of pieces) if (piece >= limits.MAX_PIECES) throw limit(`piece ${piece}`)
  return pieces
}

function requestFromWire({ id, offset, length }: Request): Message {
  if (length < 1) throw violation('a request for nothing')
  if (length > limits.MAX_REQUEST_BYTES) throw limit(`a request for ${length} bytes`)
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(offset + length)) throw limit('a request past 2^53')
  return { type: 'request', id, offset, length }
}

function nodesFromWire({ first, total, blocks }: Nodes): Message {
  if (total > limits.MAX_NODES) throw limit(`${total} nodes`)
  if (blocks.length > 0 && first + blocks.length > total) throw violation('nodes past their total')
  for (const block of blocks) if (block.byteLength > limits.MAX_NODE_BYTES) throw limit('too large a node')
  return { type: 'nodes', first, total, blocks }
}

function pexFromWire({ added, dropped }: Pex): Message {
  return { type: 'pex', added: added.map(pexPeerFromWire), dropped: dropped.map(checkPeerId) }
}

function pexPeerFromWire(peer: { id: string; addrs: string[]; seeder: boolean }): PexPeer {
  for (const addr of peer.addrs) if (addr.length > limits.MAX_ADDR_BYTES) throw limit('too long an address')
  return { id: checkPeerId(peer.id), addrs: peer.addrs.filter(isPlausibleAddr), seeder: peer.seeder }
}

function checkPeerId(id: string): string {
  if (id.length > limits.MAX_PEER_ID_BYTES) throw limit('too long a peer ID')
  if (!/^[0-9A-Za-z]+$/.test(id)) throw violation('a malformed peer ID')
  return id
}

/** Printable, one line, begins with a slash. Whether it is a multiaddr that can be dialled is the dialer's to say. */
function isPlausibleAddr(addr: string): boolean {
  return /^\/[\x21-\x7e]+$/.test(addr)
}

function checkRange(what: string, first: number, count: number, most: number, end: number): void {
  if (count < 1) throw violation(`an empty ${what}`)
  if (count > most) throw limit(`a ${what} of ${count}`)
  if (first + count > end) throw limit(`a ${what} up to ${first + count}`)
}

/** ASCII, at most MAX_TEXT_BYTES: messages are for logs, and cutting UTF-8 is not worth its code. */
function shortened(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, limits.MAX_TEXT_BYTES)
}

function violation(what: string, cause?: unknown): ShoalError {
  return new ShoalError('ERR_PROTOCOL', `the peer sent ${what}`, cause === undefined ? {} : { cause })
}

function limit(what: string, cause?: unknown): ShoalError {
  return new ShoalError('ERR_LIMIT', `the peer sent ${what}`, cause === undefined ? {} : { cause })
}
