/** The way in for programs that embed shoal. */
import { resolve } from 'node:path'
import { ShoalError } from '../base/errors.ts'
import type { NodeOptions, ShoalNode } from './api.ts'
import { checkEncryption } from './encryption.ts'
import { checkLimits } from './limit-book.ts'
import { Node } from './node.ts'
import { checkMaxStorage } from './storage/max-storage.ts'

/**
 * Makes a node; nothing is opened or dialled until `start()`.
 * @throws ERR_BAD_MULTIADDR, ERR_BAD_NUMBER (limits, maxStorage), ERR_USAGE (encryption, muxer)
 */
export async function createNode(options: NodeOptions): Promise<ShoalNode> {
  const { peers = [], listen = [] } = options
  if (peers.length + listen.length > 0) {
    // a peer ID is checked with the curves of its key, which take a while to load
    const { parseListenAddr, parseMultiaddr } = await import('./host/addresses.ts')
    for (const addr of peers) parseMultiaddr(addr)
    for (const addr of listen) parseListenAddr(addr)
  }
  checkLimits(options)
  if (options.maxStorage !== undefined) checkMaxStorage(options.maxStorage)
  if (options.encryption !== undefined) checkEncryption(options.encryption)
  if (options.muxer !== undefined && options.muxer !== 'lean' && options.muxer !== 'stock') {
    throw new ShoalError('ERR_USAGE', `not a muxer: ${JSON.stringify(options.muxer)}`, {
      hint: "name 'lean' or 'stock'"
    })
  }
  return new Node({ ...options, dataDir: resolve(options.dataDir) })
}
