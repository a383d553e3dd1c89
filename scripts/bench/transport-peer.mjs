/**
 * One side of a transport measurement: see transport.mjs. Prints JSON lines.
 *
 *     node transport-peer.mjs receive WAY SIZE CHUNK MUXER    {"event":"ready","at"}, {"event":"done","seconds","cpuSeconds"}
 *     node transport-peer.mjs send WAY SIZE CHUNK MUXER AT    {"event":"done","cpuSeconds"}
 *     node transport-peer.mjs accept WAY COUNT 0 MUXER        {"event":"ready","at"}, {"event":"done","cpuSeconds"}
 *     node transport-peer.mjs dial WAY COUNT 0 MUXER AT       {"event":"done","seconds","cpuSeconds"}
 *
 * A way is `socket`, `node-tls`, or an encryption of libp2p: `noise`, `tls` (ours), `tls-js` (@libp2p/tls), `none`.
 */
import { connect, createServer } from 'node:net'
import { createSecureContext, TLSSocket, connect as tlsConnect } from 'node:tls'
import { noise as stockNoise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { tls as jsTls } from '@libp2p/tls'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { Uint8ArrayList } from 'uint8arraylist'

/** A module of the build, which types are checked without. @param {string} path below dist/ */
const built = path => import(new URL(`../../dist/${path}`, import.meta.url).href)
await built('base/polyfill.js')
/** @type {typeof import('../../src/node/transport/direct-stream.ts')} */
const { isDirectStream } = await built('node/transport/direct-stream.js')
const { noise } = await built('node/transport/noise/noise.js')
const { leanYamux } = await built('node/transport/yamux/yamux.js')

const [role = '', way = '', size = '', chunk = '', muxer = '', at = ''] = process.argv.slice(2)
const CHUNK = Number(chunk)
/** Whole chunks; where there are none, a count. */
const SIZE = CHUNK === 0 ? Number(size) : Math.ceil(Number(size) / CHUNK) * CHUNK
const PROTOCOL = '/bench/1'
/** As the swarm's data frames: a few bytes of header before the payload. */
const HEADER = new Uint8Array(9)

/** @param {object} line */
const say = line => console.log(JSON.stringify(line))
/** From now on. */
function meter() {
  const cpu = process.cpuUsage()
  const startedAt = performance.now()
  return () => {
    const { user, system } = process.cpuUsage(cpu)
    return { seconds: (performance.now() - startedAt) / 1000, cpuSeconds: (user + system) / 1e6 }
  }
}

/** Counts what comes, from its first byte to the last. @param {() => void} onAll */
function counter(onAll) {
  let left = SIZE
  /** @type {ReturnType<typeof meter> | undefined} */
  let measure
  /** @param {{ byteLength: number }} data */
  return data => {
    measure ??= meter()
    left -= data.byteLength
    if (left > 0) return
    say({ event: 'done', ...measure() })
    onAll()
  }
}

/** Writes until all is given; `write` says false when it wants a drain. @param {(bytes: Uint8Array) => boolean} write */
function pump(write) {
  const payload = new Uint8Array(CHUNK - HEADER.byteLength).fill(7)
  let left = SIZE
  return () => {
    while (left > 0) {
      left -= CHUNK
      if (!write(payload)) return
    }
  }
}

const SEEDS = { server: new Uint8Array(32).fill(1), client: new Uint8Array(32).fill(2) }

/** @param {'server' | 'client'} side */
async function host(side) {
  const [privateKey, other] = await Promise.all(
    [side, side === 'server' ? /** @type {const} */ ('client') : /** @type {const} */ ('server')].map(name =>
      generateKeyPairFromSeed('Ed25519', SEEDS[name])
    )
  )
  if (privateKey === undefined || other === undefined) throw new Error('no keys')
  return createLibp2p({
    privateKey,
    addresses: { listen: side === 'server' ? ['/ip4/127.0.0.1/tcp/0'] : [] },
    transports: [tcp()],
    connectionEncrypters: [await encrypter(peerIdFromPrivateKey(other))],
    streamMuxers: [muxer === 'lean' ? leanYamux({ maxWindowBytes: 16 << 20 }) : stockYamux()],
    connectionManager: { inboundConnectionThreshold: 1e9, maxIncomingPendingConnections: 1e9 },
    connectionMonitor: { enabled: false }
  })
}

function stockYamux() {
  return yamux({ streamOptions: { maxStreamWindowSize: 4 * 1024 * 1024 - 64 * 1024 } })
}

/** @param {import('@libp2p/interface').PeerId} other @returns {Promise<any>} */
async function encrypter(other) {
  if (way === 'noise') return noise()
  if (way === 'noise-stock') return stockNoise()
  if (way === 'tls-js') return jsTls()
  if (way === 'tls') return (await built('node/transport/tls/native-tls.js')).nativeTls()
  // Both keys are known, so nobody need say who he is.
  /** @param {import('@libp2p/interface').MessageStream} connection */
  const pass = async connection => ({ connection, remotePeer: other })
  return () => ({ protocol: '/bench-none/1', secureInbound: pass, secureOutbound: pass })
}

/** A certificate for the yardstick, from the one that libp2p's TLS makes. */
async function yardstickContext() {
  const { generateCertificate } = await import('../../node_modules/@libp2p/tls/dist/src/utils.js')
  const made = await generateCertificate(await generateKeyPairFromSeed('Ed25519', SEEDS.server))
  return createSecureContext({ ...made, ca: made.cert, minVersion: 'TLSv1.3' })
}

async function receive() {
  if (way === 'socket' || way === 'node-tls') {
    const secureContext = way === 'node-tls' ? await yardstickContext() : undefined
    const server = createServer(raw => {
      const socket = secureContext === undefined ? raw : new TLSSocket(raw, { isServer: true, secureContext })
      const count = counter(() => {
        socket.end('x')
        server.close()
      })
      socket.on('data', count)
    })
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      say({ event: 'ready', at: String(typeof address === 'object' ? address?.port : '') })
    })
    return
  }
  const node = await host('server')
  await node.handle(PROTOCOL, stream => {
    const count = counter(() => {
      stream.send(new Uint8Array(1))
      setTimeout(() => process.exit(0), 500)
    })
    if (isDirectStream(stream)) stream.onChunk = count
    else stream.addEventListener('message', ({ data }) => count(data))
  })
  say({ event: 'ready', at: String(node.getMultiaddrs()[0]) })
}

async function send() {
  if (way === 'socket' || way === 'node-tls') {
    const raw = connect(Number(at), '127.0.0.1')
    const socket = way === 'node-tls' ? tlsConnect({ socket: raw, rejectUnauthorized: false }) : raw
    const measure = meter()
    const go = pump(payload => {
      socket.cork()
      socket.write(HEADER)
      const takesMore = socket.write(payload)
      socket.uncork()
      return takesMore
    })
    socket.once(way === 'node-tls' ? 'secureConnect' : 'connect', go)
    socket.on('drain', go)
    socket.once('data', () => {
      say({ event: 'done', ...measure() })
      socket.destroy()
    })
    return
  }
  const node = await host('client')
  const stream = await node.dialProtocol(multiaddr(at), PROTOCOL)
  const measure = meter()
  const go = pump(payload =>
    isDirectStream(stream) ? stream.sendChunks([HEADER, payload]) : stream.send(new Uint8ArrayList(HEADER, payload))
  )
  const answered = () => {
    say({ event: 'done', ...measure() })
    process.exit(0)
  }
  if (isDirectStream(stream)) stream.onChunk = answered
  else stream.addEventListener('message', answered)
  stream.addEventListener('drain', go)
  go()
}

/** So many connections come first and are not measured. */
const WARM_UP = 20

/** Ends each connection once it is whole on this side too. */
async function accept() {
  const node = await host('server')
  let count = 0
  /** @type {ReturnType<typeof meter> | undefined} */
  let measure
  node.addEventListener('connection:open', async ({ detail: connection }) => {
    await connection.close()
    count += 1
    if (count === WARM_UP) measure = meter()
    if (count < WARM_UP + SIZE || measure === undefined) return
    say({ event: 'done', ...measure() })
    setTimeout(() => process.exit(0), 200)
  })
  say({ event: 'ready', at: String(node.getMultiaddrs()[0]) })
}

async function dial() {
  const node = await host('client')
  const addr = multiaddr(at)
  let measure = meter()
  for (let count = 1; count <= WARM_UP + SIZE; count++) {
    const connection = await node.dial(addr, { force: true })
    if (connection.status === 'open') {
      await new Promise(resolve => connection.addEventListener('close', resolve, { once: true }))
    }
    if (count === WARM_UP) measure = meter()
  }
  say({ event: 'done', ...measure() })
  process.exit(0)
}

const roles = { receive, send, accept, dial }
if (!(role in roles)) throw new Error(`no role ${role}`)
await roles[/** @type {keyof typeof roles} */ (role)]()
