import { isAbsolute, resolve } from 'node:path'
import { ShoalError } from '../base/errors.ts'
import type { CliIo } from './io.ts'

/**
 * A path as the user gave it, made absolute.
 * @param what it is given to, for the message
 * @throws ERR_USAGE for an empty one; ERR_PATH_NOT_FOUND for a relative one where the working folder is gone
 */
export function givenPath({ cwd, isCwdGone }: Pick<CliIo, 'cwd' | 'isCwdGone'>, given: string, what: string): string {
  if (given === '' || given.includes('\0')) {
    throw new ShoalError('ERR_USAGE', `${what} needs a path, not ${JSON.stringify(given)}`, {
      hint: 'see shoal --help; the working folder is .'
    })
  }
  if (isCwdGone === true && !isAbsolute(given)) {
    throw new ShoalError('ERR_PATH_NOT_FOUND', 'the working folder does not exist any more', {
      hint: 'go to another, or give an absolute path'
    })
  }
  return resolve(cwd, given)
}
