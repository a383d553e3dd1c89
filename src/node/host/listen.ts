/** Which addresses to listen on, and what to say when one cannot be had. */
import { createServer } from 'node:net'
import type { Multiaddr } from '@multiformats/multiaddr'
import { ShoalError, systemCode } from '../../base/errors.ts'
import { parseListenAddr } from './addresses.ts'

export const DEFAULT_PORT = 4160

/** Resolves with the system code that keeps `host:port` from being listened on, or undefined when it is free. */
export type Probe = (host: string, port: number) => Promise<string | undefined>

/**
 * The addresses of a node that was told none: every interface on port 4160, or on any free one where that is taken;
 * IPv6 only where the machine has it.
 */
export async function chooseDefaultListen(probe: Probe = probePort): Promise<string[]> {
  const port = (await probe('0.0.0.0', DEFAULT_PORT)) === undefined ? DEFAULT_PORT : 0
  const chosen = [`/ip4/0.0.0.0/tcp/${port}`]
  const six = await probe('::', port)
  if (six === undefined) chosen.push(`/ip6/::/tcp/${port}`)
  else if (six === 'EADDRINUSE') chosen.push('/ip6/::/tcp/0')
  return chosen
}

/**
 * Checks that every address given by the user can be listened on. libp2p starts as long as any of them works and
 * reports the others as text, so the system is asked first.
 * @throws ERR_BAD_MULTIADDR, ERR_PORT_IN_USE, ERR_NO_PERMISSION
 */
export async function checkListen(texts: readonly string[], probe: Probe = probePort): Promise<string[]> {
  const addrs = new Map(texts.map(text => [text, parseListenAddr(text)]))
  for (const [text, addr] of addrs) {
    const { host, port } = hostPort(addr)
    const code = await probe(host, port)
    if (code !== undefined) throw listenError(text, code)
  }
  return [...addrs.keys()]
}

/** What libp2p's own failure to listen means; it gives the system codes only inside a text. */
export function fromListenFailure(err: unknown, texts: readonly string[]): Error {
  const message = err instanceof Error ? err.message : String(err)
  const code = /\b(EADDRINUSE|EACCES|EPERM|EADDRNOTAVAIL|EAFNOSUPPORT)\b/.exec(message)?.[1]
  if (code === undefined) return err instanceof Error ? err : new ShoalError('ERR_IO', message)
  return listenError(texts.find(text => message.includes(text)) ?? texts.join(', '), code, err)
}

function listenError(addr: string, code: string, cause?: unknown): ShoalError {
  const init = { details: { addr, system: code }, ...(cause === undefined ? {} : { cause }) }
  switch (code) {
    case 'EADDRINUSE':
      return new ShoalError('ERR_PORT_IN_USE', `cannot listen on ${addr}: another program has this port`, {
        ...init,
        hint: 'choose another with --listen (port 0 takes any free one), or stop that program'
      })
    case 'EACCES':
    case 'EPERM':
      return new ShoalError('ERR_NO_PERMISSION', `cannot listen on ${addr}: no permission for this port`, {
        ...init,
        hint: 'choose a port of 1024 or above with --listen'
      })
    default:
      return new ShoalError('ERR_PORT_IN_USE', `cannot listen on ${addr}: this machine has no such address (${code})`, {
        ...init,
        hint: 'choose an address of this machine with --listen, or /ip4/0.0.0.0/tcp/<port> for all of them'
      })
  }
}

function hostPort(addr: Multiaddr): { host: string; port: number } {
  const [host, tcp] = addr.getComponents()
  return { host: host?.value ?? '', port: Number(tcp?.value ?? 0) }
}

/** Binds the port for a moment. */
export function probePort(host: string, port: number): Promise<string | undefined> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', err => resolve(systemCode(err) ?? 'UNKNOWN'))
    server.listen({ host, port, ipv6Only: host.includes(':') }, () => server.close(() => resolve(undefined)))
  })
}
