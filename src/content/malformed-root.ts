import { ShoalError } from '../base/errors.ts'

/** The content itself is nonsense, though its hashes match: nobody is to blame but who made it. */
export function malformedRoot(what: string, cause?: unknown): ShoalError {
  return new ShoalError('ERR_MALFORMED_ROOT', `malformed content: ${what}`, {
    ...(cause === undefined ? {} : { cause }),
    hint: 'its maker has to publish it again; no other peer can have a better copy'
  })
}
