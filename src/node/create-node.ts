/** The way in for programs that embed shoal. */
import { resolve } from 'node:path'
import type { NodeOptions, ShoalNode } from './api.ts'
import { checkEncryption } from './encryption.ts'
import { checkLimits } from './limit-book.ts'
import { Node } from './node.ts'
import { checkListenAddr, checkMultiaddr } from './sources.ts'

/**
 * Makes a node; nothing is opened or dialled until `start()`.
 * @throws ERR_BAD_MULTIADDR, ERR_BAD_NUMBER, ERR_USAGE (encryption)
 */
export async function createNode(options: NodeOptions): Promise<ShoalNode> {
  for (const addr of options.peers ?? []) checkMultiaddr(addr)
  for (const addr of options.listen ?? []) checkListenAddr(addr)
  checkLimits(options)
  if (options.encryption !== undefined) checkEncryption(options.encryption)
  return new Node({ ...options, dataDir: resolve(options.dataDir) })
}
