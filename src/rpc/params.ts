/** Small validators for what a client sends. Each throws ERR_RPC and names the parameter. */
import { isAbsolute } from 'node:path'
import { ShoalError } from '../base/errors.ts'
import type { Params } from './messages.ts'

const MAX_TEXT_CHARS = 64 * 1024
const MAX_TIMEOUT_MS = 1e12

function bad(name: string, wanted: string): ShoalError {
  return new ShoalError('ERR_RPC', `parameter ${name} must be ${wanted}`, { details: { parameter: name } })
}

export function textParam(params: Params, name: string): string {
  const value = params[name]
  if (typeof value !== 'string' || value.length === 0 || value.length > MAX_TEXT_CHARS) {
    throw bad(name, `a string of 1 to ${MAX_TEXT_CHARS} characters`)
  }
  return value
}

export function optionalText(params: Params, name: string): string | undefined {
  return params[name] === undefined ? undefined : textParam(params, name)
}

/** Absolute: the caller's working folder is not the daemon's. */
export function pathParam(params: Params, name: string): string {
  const value = textParam(params, name)
  if (!isAbsolute(value) || value.includes('\0')) throw bad(name, 'an absolute path')
  return value
}

export function optionalFlag(params: Params, name: string): boolean | undefined {
  const value = params[name]
  if (value !== undefined && typeof value !== 'boolean') throw bad(name, 'true or false')
  return value
}

/** Null: no limit. What limits there are is the node's to say. */
export function limitParam(params: Params, name: string): number | null {
  const value = params[name]
  if (value !== null && typeof value !== 'number') throw bad(name, 'a number or null')
  return value
}

/** Bytes a second. */
export function optionalRate(params: Params, name: string): number | null | undefined {
  return params[name] === undefined ? undefined : limitParam(params, name)
}

export function optionalMs(params: Params, name: string): number | undefined {
  const value = params[name]
  if (value === undefined) return undefined
  if (typeof value !== 'number' || !(value > 0) || value > MAX_TIMEOUT_MS) throw bad(name, 'a number of milliseconds')
  return value
}
