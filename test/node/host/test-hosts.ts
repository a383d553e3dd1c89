/** Real hosts on loopback for tests. */
import { generateKeyPair } from '@libp2p/crypto/keys'
import { afterEach } from 'vitest'
import { silentLogger } from '../../../src/base/log.ts'
import { createHost, type Host, type HostOptions } from '../../../src/node/host/create-host.ts'

export const LOOPBACK = '/ip4/127.0.0.1/tcp/0'

const started = new Set<Host>()

afterEach(async () => {
  await Promise.all([...started].map(host => host.stop()))
  started.clear()
})

/** Stopped after the test. */
export async function host(options: Partial<HostOptions> = {}): Promise<Host> {
  const made = await createHost({
    privateKey: await generateKeyPair('Ed25519'),
    listen: [LOOPBACK],
    log: silentLogger,
    ...options
  })
  started.add(made)
  return made
}

export function addrOf(of: Host): string {
  const [addr] = of.addrs()
  if (addr === undefined) throw new Error('the host has no address')
  return addr
}

/** For what has no event: polls every 10 ms. */
export async function until(what: string, check: () => boolean | Promise<boolean>, timeoutMs = 60_000): Promise<void> {
  const end = performance.now() + timeoutMs
  while (!(await check())) {
    if (performance.now() > end) throw new Error(`never happened: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}
