import { ShoalError } from '../base/errors.ts'

export function notStarted(): ShoalError {
  return new ShoalError('ERR_NOT_RUNNING', 'the node is not started', { hint: 'await node.start() first' })
}

/**
 * A part of a node that is there from its start to the end of its stop.
 * @throws ERR_NOT_RUNNING
 */
export function opened<T>(part: T | undefined, isClosed: boolean): T {
  if (isClosed) {
    throw new ShoalError('ERR_NOT_RUNNING', 'the node was stopped', { hint: 'make another with createNode' })
  }
  if (part === undefined) throw notStarted()
  return part
}
