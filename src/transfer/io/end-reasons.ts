/** Why a dial or a session came to nothing, as a short phrase that fits behind a number of peers. */
import { ShoalError } from '../../base/errors.ts'
import type { GoodbyeCode } from '../protocol/messages.ts'

export function goodbyeReason(code: GoodbyeCode): string {
  switch (code) {
    case 'notFound':
      return 'did not have it'
    case 'full':
      return 'had no room'
    case 'stopping':
      return 'went away'
    default:
      return `ended the session (${code})`
  }
}

export function dialReason(err: unknown): string {
  if (err instanceof ShoalError && typeof err.details['reason'] === 'string') return err.details['reason']
  return 'did not answer'
}

/** False where the dialer says that this machine had no network to dial it by. */
export function wasSent(err: unknown): boolean {
  return !(err instanceof ShoalError) || err.details['isSent'] !== false
}
