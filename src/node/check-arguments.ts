/** What an embedder gave, where a wrong value would do something else than fail. JavaScript has no types to stop it. */
import { ShoalError } from '../base/errors.ts'

/**
 * An empty path would be the working folder.
 * @param what it is for, such as `share`
 * @throws ERR_USAGE
 */
export function checkPath(what: string, path: unknown): void {
  if (typeof path === 'string' && path !== '' && !path.includes('\0')) return
  throw new ShoalError('ERR_USAGE', `${what} needs a path, not ${show(path)}`, { hint: "the working folder is '.'" })
}

/** @throws ERR_USAGE */
export function checkFlag(name: string, value: unknown): void {
  if (typeof value === 'boolean') return
  throw new ShoalError('ERR_USAGE', `${name} is ${show(value)}`, { hint: 'give true or false' })
}

/** @throws ERR_USAGE */
export function checkTexts(name: string, value: unknown): void {
  if (value === undefined || (Array.isArray(value) && value.every(each => typeof each === 'string'))) return
  throw new ShoalError('ERR_USAGE', `${name} is ${show(value)}`, { hint: 'give a list of strings' })
}

/** @throws ERR_USAGE */
export function checkChoice(name: string, value: unknown, choices: readonly string[]): void {
  if (value === undefined || choices.some(choice => choice === value)) return
  const hint = `give one of ${choices.map(choice => `'${choice}'`).join(', ')}`
  throw new ShoalError('ERR_USAGE', `${name} is ${show(value)}`, { hint })
}

/** @throws ERR_BAD_NUMBER */
export function checkTimeout(timeoutMs: unknown): void {
  if (timeoutMs === undefined || (typeof timeoutMs === 'number' && timeoutMs > 0)) return
  throw new ShoalError('ERR_BAD_NUMBER', `timeoutMs is no time: ${show(timeoutMs)}`, {
    hint: 'give milliseconds, more than 0'
  })
}

function show(value: unknown): string {
  if (typeof value === 'number') return String(value)
  return (JSON.stringify(value) ?? String(value)).slice(0, 100)
}
