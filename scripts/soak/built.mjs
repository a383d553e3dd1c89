/** Modules of the built program, which exist only once it was built. */
import { existsSync } from 'node:fs'
import { checkout } from '../lab/checkout.mjs'

/** @param {string} path below dist, without its ending */
async function load(path) {
  const file = `${checkout}/dist/${path}.js`
  if (!existsSync(file)) throw new Error(`${file} is not there: run npm run build`)
  return await import(file)
}

/**
 * What makes a bare host: DHT and dialler, no store.
 * @param {Partial<import('../../src/node/host/create-host.ts').HostOptions>} [options]
 * @returns {Promise<import('./dht-network.mjs').HostMaker>}
 */
export async function builtHosts(options = {}) {
  /** @type {typeof import('../../src/node/host/create-host.ts')} */
  const { createHost } = await load('node/host/create-host')
  /** @type {typeof import('../../src/base/log.ts')} */
  const { silentLogger } = await load('base/log')
  return async privateKey =>
    await createHost({ privateKey, listen: ['/ip4/127.0.0.1/tcp/0'], log: silentLogger, ...MUTABLE, ...options })
}

/** Sockets that this process silences: under TLS the runtime reads and writes them past everything that can be muted. */
const MUTABLE = { encryption: /** @type {const} */ (['noise']) }

/** @returns {Promise<typeof import('../../src/index.ts')>} */
export async function builtApi() {
  return await load('index')
}

/** @returns {Promise<typeof import('../../src/dht/reprovider.ts')>} */
export async function builtReprovider() {
  return await load('dht/reprovider')
}

/** @returns {Promise<typeof import('../../src/base/random.ts')>} */
export async function builtRandom() {
  return await load('base/random')
}

/** @returns {Promise<typeof import('../../src/node/host/host-contacts.ts')>} */
export async function builtContacts() {
  return await load('node/host/host-contacts')
}
