/** Everything the command line touches outside itself, so that a test can hand it a world of its own. */

import type { NodeOptions, ShoalNode } from '../node/api.ts'
import type { HashedPath, HashOptions } from '../node/hash-path.ts'
import type { Source } from '../node/sources.ts'
import type { connectNode } from '../rpc/client.ts'
import type { startServer } from '../rpc/server.ts'
import type { Interrupt } from './interrupt.ts'

export interface OutStream {
  write(text: string): unknown
  readonly isTTY?: boolean | undefined
  /** Width of the terminal; 80 where it is unknown. */
  readonly columns?: number | undefined
}

/** What is loaded only when a command needs it: `--help`, `hash` and an error must not wait for a network stack. */
export interface Loaders {
  createNode(options: NodeOptions): Promise<ShoalNode>
  hashPath(path: string, options: HashOptions): Promise<HashedPath>
  parseSource(text: string): Promise<Source>
  checkMultiaddr(text: string): Promise<unknown>
  checkListenAddr(text: string): Promise<unknown>
  checkAnnounceAddr(text: string): Promise<unknown>
  connectNode: typeof connectNode
  startServer: typeof startServer
}

export interface CliIo {
  stdout: OutStream
  stderr: OutStream
  env: Record<string, string | undefined>
  /** Absolute. */
  cwd: string
  /** The working folder was deleted, and `cwd` is none: relative paths mean nothing (given-path.ts). */
  isCwdGone?: boolean
  interrupt: Interrupt
  load: Loaders
}

export const realLoaders: Loaders = {
  createNode: async options => (await import('../node/create-node.ts')).createNode(options),
  hashPath: async (path, options) => (await import('../node/hash-path.ts')).hashPath(path, options),
  parseSource: async text => (await import('../node/sources.ts')).parseSource(text),
  checkMultiaddr: async text => (await import('../node/host/addresses.ts')).parseMultiaddr(text),
  checkListenAddr: async text => (await import('../node/host/addresses.ts')).parseListenAddr(text),
  checkAnnounceAddr: async text => (await import('../node/host/addresses.ts')).parseAnnounceAddr(text),
  connectNode: async (dataDir, options) => (await import('../rpc/client.ts')).connectNode(dataDir, options),
  startServer: async (node, options) => (await import('../rpc/server.ts')).startServer(node, options)
}
