/**
 * Peers of the node under load, a child of load.mjs: bare hosts that are connected and no more, and nodes that fetch
 * everything, slowly, so that every swarm is at work for as long as it is measured.
 */

import { join } from 'node:path'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { answerParent } from './answer-parent.mjs'
import { builtApi, builtHosts } from './built.mjs'

const [folder = ''] = process.argv.slice(2)
/** @type {import('../../src/node/host/create-host.ts').Host[]} */
const hosts = []
/** @type {import('../../src/node/api.ts').ShoalNode[]} */
const nodes = []

/** @type {Record<string, (params: any) => Promise<unknown>>} */
const METHODS = {
  connect: async ({ count, addr }) => {
    const makeHost = await builtHosts({ listen: [], dht: { mode: 'client' } })
    for (let i = 0; i < count; i++) {
      const host = await makeHost(await generateKeyPair('Ed25519'))
      hosts.push(host)
      await host.dialer.connectTo(addr)
    }
    return hosts.length
  },
  fetch: async ({ count, links, downBytesPerSec }) => {
    const { createNode } = await builtApi()
    for (let i = 0; i < count; i++) {
      const node = await createNode({
        dataDir: join(folder, `leecher-${i}`),
        listen: ['/ip4/127.0.0.1/tcp/0'],
        down: downBytesPerSec
      })
      await node.start()
      nodes.push(node)
      for (const [n, link] of links.entries()) {
        node.fetch(link, { to: join(folder, `copy-${i}-${n}`), timeoutMs: 600_000 }).done.catch(() => {})
      }
    }
    return nodes.length
  },
  stop: async () => {
    await Promise.all([...nodes.map(node => node.stop()), ...hosts.map(host => host.stop())])
    setImmediate(() => process.disconnect())
  }
}

answerParent(METHODS)
