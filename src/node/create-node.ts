/** The way in for programs that embed shoal. */
import { resolve } from 'node:path'
import type { NodeOptions, ShoalNode } from './api.ts'
import { checkChoice, checkPath, checkTexts } from './check-arguments.ts'
import { checkEncryption } from './encryption.ts'
import { checkLimits } from './limit-book.ts'
import { Node } from './node.ts'
import { checkMaxStorage } from './storage/max-storage.ts'

/**
 * Makes a node; nothing is opened or dialled until `start()`.
 * @throws ERR_BAD_MULTIADDR, ERR_BAD_NUMBER (limits, maxStorage), ERR_USAGE (what else is not as NodeOptions says)
 */
export async function createNode(options: NodeOptions): Promise<ShoalNode> {
  checkPath('dataDir', options?.dataDir)
  const { peers = [], listen = [], announce = [] } = options
  checkTexts('peers', peers)
  checkTexts('listen', listen)
  checkTexts('announce', announce)
  checkTexts('encryption', options.encryption)
  checkChoice('dht', options.dht, ['server', 'client'])
  checkChoice('muxer', options.muxer, ['lean', 'stock'])
  if (peers.length + listen.length + announce.length > 0) {
    // a peer ID is checked with the curves of its key, which take a while to load
    const { parseAnnounceAddr, parseListenAddr, parseMultiaddr } = await import('./host/addresses.ts')
    for (const addr of peers) parseMultiaddr(addr)
    for (const addr of listen) parseListenAddr(addr)
    for (const addr of announce) parseAnnounceAddr(addr)
  }
  checkLimits(options)
  if (options.maxStorage !== undefined) checkMaxStorage(options.maxStorage)
  if (options.encryption !== undefined) checkEncryption(options.encryption)
  return new Node({ ...options, dataDir: resolve(options.dataDir) })
}
