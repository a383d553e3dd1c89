/** Plain TCP connections of libp2p over loopback, without a node around them. */
import { connect, type Socket } from 'node:net'
import type { ComponentLogger, Connection, Listener, MultiaddrConnection, Upgrader } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { multiaddrConnectionPair } from '@libp2p/utils'
import { afterEach } from 'vitest'
import '../../../src/base/polyfill.ts'
import { multiaddr } from '@multiformats/multiaddr'
import { LOOPBACK } from '../host/test-hosts.ts'

const connections: MultiaddrConnection[] = []
const sockets: Socket[] = []
const listeners: Listener[] = []

afterEach(async () => {
  for (const each of connections.splice(0)) each.abort(new Error('the test is over'))
  for (const each of sockets.splice(0)) each.destroy()
  await Promise.all(listeners.splice(0).map(each => each.close()))
})

/** What @libp2p/tcp needs of a node. */
function components(): Parameters<ReturnType<typeof tcp>>[0] {
  const [{ log }] = multiaddrConnectionPair()
  const logger: ComponentLogger = { forComponent: () => log }
  return { logger } as Parameters<ReturnType<typeof tcp>>[0]
}

export interface TcpServer {
  port: number
  /** The next connection that comes. */
  accepted(): Promise<MultiaddrConnection>
  dial(): Promise<MultiaddrConnection>
  /** A socket of Node's that is connected to it. */
  socket(): Promise<Socket>
}

export async function tcpServer({ inactivityMs = 60_000 } = {}): Promise<TcpServer> {
  const transport = tcp({
    inboundSocketInactivityTimeout: inactivityMs,
    outboundSocketInactivityTimeout: inactivityMs
  })(components())
  const come: MultiaddrConnection[] = []
  const waiting: Array<(connection: MultiaddrConnection) => void> = []
  const upgrader = {
    upgradeInbound: async (connection: MultiaddrConnection) => {
      connections.push(connection)
      const taker = waiting.shift()
      if (taker === undefined) come.push(connection)
      else taker(connection)
    },
    upgradeOutbound: async (connection: MultiaddrConnection) => connection as unknown as Connection
  } as unknown as Upgrader
  const listener = transport.createListener({ upgrader })
  listeners.push(listener)
  await listener.listen(multiaddr(LOOPBACK))
  const [addr] = listener.getAddrs()
  if (addr === undefined) throw new Error('the listener has no address')
  const port = Number(addr.getComponents().find(({ name }) => name === 'tcp')?.value)
  return {
    port,
    accepted: async () => come.shift() ?? new Promise(resolve => waiting.push(resolve)),
    dial: async () => {
      const signal = AbortSignal.timeout(30_000)
      const connection = (await transport.dial(addr, { upgrader, signal })) as unknown as MultiaddrConnection
      connections.push(connection)
      return connection
    },
    socket: async () => {
      const socket = connect(port, '127.0.0.1')
      sockets.push(socket)
      socket.on('error', () => {})
      await new Promise(resolve => socket.once('connect', resolve))
      return socket
    }
  }
}

export async function tcpPair(options?: { inactivityMs?: number }) {
  const server = await tcpServer(options)
  const [dialer, listener] = await Promise.all([server.dial(), server.accepted()])
  return { dialer, listener }
}
