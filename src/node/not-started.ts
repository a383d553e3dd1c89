import { ShoalError } from '../base/errors.ts'

export function notStarted(): ShoalError {
  return new ShoalError('ERR_NOT_RUNNING', 'the node is not started', { hint: 'await node.start() first' })
}
