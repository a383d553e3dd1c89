/**
 * What crosses the control socket, one JSON object a line, UTF-8:
 *
 *     → {"id":1,"method":"share","params":{"path":"/data/film.mkv"}}
 *     ← {"id":1,"event":"progress","data":{…}}        any number, the newest of each name when the reader is slow
 *     ← {"id":1,"result":{…}}   or   {"id":1,"error":{"code","message","hint","details"}}
 *     → {"id":1,"cancel":true}                        ends request 1; its answer is then an error
 *
 * `id` is the caller's, unique among its running requests. A request line holds at most 1 MiB; answers may be longer.
 */
import { isErrorCode, ShoalError } from '../base/errors.ts'
import { MIB } from '../base/units.ts'

export const MAX_REQUEST_LINE_BYTES = MIB
/** A list of very many roots is one line: generous, and far under what a string can hold. */
export const MAX_ANSWER_LINE_BYTES = 256 * MIB
export const MAX_REQUESTS_PER_CONNECTION = 64
const MAX_ID_CHARS = 64

export type RpcId = number | string
export type Params = Record<string, unknown>

export type ClientMessage =
  | { kind: 'request'; id: RpcId; method: string; params: Params }
  | { kind: 'cancel'; id: RpcId }
  | { kind: 'invalid'; id: RpcId | null; problem: string }

export interface WireError {
  code: string
  message: string
  hint?: string
  details?: Record<string, unknown>
}

export type ServerMessage =
  | { id: RpcId; event: string; data: unknown }
  | { id: RpcId; result: unknown }
  | { id: RpcId | null; error: WireError }

/** Who answers: the result of the method `hello`, which a client asks first. */
export interface NodeInfo {
  /** What runs: `daemon`, `share`, `get` or `offline` (holds the data folder without a network). */
  mode: string
  pid: number
  /** Absolute. */
  dataDir: string
}

/** Never throws: what is no message is `invalid`, with the id where one could be read. */
export function parseClientMessage(line: string): ClientMessage {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return { kind: 'invalid', id: null, problem: 'the line is no JSON' }
  }
  if (!isObject(value)) return { kind: 'invalid', id: null, problem: 'the line is no JSON object' }
  const id = value['id']
  if (!isId(id)) {
    return { kind: 'invalid', id: null, problem: 'id must be an integer from 0 or a string of 1 to 64 characters' }
  }
  if (value['cancel'] === true) return { kind: 'cancel', id }
  const { method, params = {} } = value
  if (typeof method !== 'string') return { kind: 'invalid', id, problem: 'method must be a string' }
  if (!isObject(params)) return { kind: 'invalid', id, problem: 'params must be an object' }
  return { kind: 'request', id, method, params }
}

/** @returns undefined for what no server of ours sends */
export function parseServerMessage(line: string): ServerMessage | undefined {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return undefined
  }
  if (!isObject(value)) return undefined
  const { id } = value
  if (isObject(value['error'])) return { id: isId(id) ? id : null, error: wireErrorFrom(value['error']) }
  if (!isId(id)) return undefined
  if (typeof value['event'] === 'string') return { id, event: value['event'], data: value['data'] }
  return 'result' in value ? { id, result: value['result'] } : undefined
}

export function toWireError(err: unknown): WireError {
  if (!(err instanceof ShoalError)) {
    return { code: 'ERR_BUG', message: err instanceof Error ? err.message : String(err) }
  }
  const wire: WireError = { code: err.code, message: err.message }
  if (err.hint !== undefined) wire.hint = err.hint
  if (isJsonSafe(err.details)) wire.details = err.details
  return wire
}

export function fromWireError(wire: WireError): ShoalError {
  const init = { details: wire.details ?? {} }
  return new ShoalError(
    isErrorCode(wire.code) ? wire.code : 'ERR_RPC',
    wire.message,
    wire.hint === undefined ? init : { ...init, hint: wire.hint }
  )
}

function wireErrorFrom(value: Record<string, unknown>): WireError {
  const { code, message } = value
  const wire: WireError = {
    code: typeof code === 'string' ? code : 'ERR_RPC',
    message: typeof message === 'string' ? message : 'the running node failed without a word'
  }
  if (typeof value['hint'] === 'string') wire.hint = value['hint']
  if (isObject(value['details'])) wire.details = value['details']
  return wire
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isId(value: unknown): value is RpcId {
  if (typeof value === 'string') return value.length > 0 && value.length <= MAX_ID_CHARS
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isJsonSafe(details: Record<string, unknown>): boolean {
  try {
    JSON.stringify(details)
    return true
  } catch {
    return false
  }
}
