/** The node under load, in a process of its own so that memory and the event loop are its own. A child of load.mjs. */
import { answerParent } from './answer-parent.mjs'
import { builtApi } from './built.mjs'
import { LoopDelay } from './vitals.mjs'

const [dataDir = ''] = process.argv.slice(2)
const { createNode } = await builtApi()
const node = await createNode({ dataDir, listen: ['/ip4/127.0.0.1/tcp/0'] })
const loop = new LoopDelay()

/** @type {Record<string, (params: any) => Promise<unknown>>} */
const METHODS = {
  start: async () => {
    await node.start()
    loop.start()
    return node.addrs
  },
  share: async ({ paths }) => {
    const links = []
    for (const path of paths) links.push((await node.share(path)).link)
    return links
  },
  measure: async ({ ms }) => {
    loop.reset()
    const before = process.cpuUsage()
    let rssBytes = 0
    for (let passed = 0; passed < ms; passed += 250) {
      await new Promise(resolve => setTimeout(resolve, 250))
      rssBytes = Math.max(rssBytes, process.memoryUsage().rss)
    }
    const { user, system } = process.cpuUsage(before)
    const { connections, roots, up } = await node.status()
    return {
      rssBytes,
      p99Ms: loop.percentile(99),
      p50Ms: loop.percentile(50),
      longestMs: loop.percentile(100),
      cpu: (user + system) / 1000 / ms,
      connections,
      swarms: roots.filter(root => root.peers > 0).length,
      sessions: roots.reduce((sum, root) => sum + root.peers, 0),
      upRate: up
    }
  },
  stop: async () => {
    await node.stop()
    setImmediate(() => process.disconnect())
  }
}

answerParent(METHODS)
