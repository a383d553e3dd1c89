/** What a program that embeds shoal imports. */
import './base/polyfill.ts'

export type { ErrorCode, Fault } from './base/errors.ts'
export { ShoalError } from './base/errors.ts'
export type * from './node/api.ts'
export { createNode } from './node/create-node.ts'
export { parseSource, type Source } from './node/sources.ts'
