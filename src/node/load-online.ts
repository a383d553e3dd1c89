/** What only a node with a network needs. Loading it is most of the time that a start takes: begin it first. */

export interface Online {
  Network: typeof import('./network.ts').Network
  SwarmHost: typeof import('../transfer/io/swarm-host.ts').SwarmHost
}

/** A failure is told to whoever awaits it; that the store fails first, and nobody does, is no unhandled rejection. */
export function loadOnline(): Promise<Online> {
  const loading = load()
  loading.catch(() => {})
  return loading
}

async function load(): Promise<Online> {
  const [{ Network }, { SwarmHost }] = await Promise.all([
    import('./network.ts'),
    import('../transfer/io/swarm-host.ts')
  ])
  return { Network, SwarmHost }
}
