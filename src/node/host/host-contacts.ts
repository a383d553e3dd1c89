/** How a host gets into its network and stays in it: first contact, and whoever was lost dialled again. */
import type { Clock } from '../../base/clock.ts'
import { type Logger, silentLogger } from '../../base/log.ts'
import type { Host } from './create-host.ts'
import { FirstContact } from './first-contact.ts'
import type { PeerBook } from './peer-book.ts'
import { Rejoin } from './rejoin.ts'

export interface HostContactsInit {
  readonly host: Host
  readonly book: Pick<PeerBook, 'saw' | 'find' | 'recent' | 'flush'>
  /** Multiaddrs given by the user, checked. They are kept connected. */
  readonly peers: readonly string[]
  readonly log?: Logger
  readonly clock?: Clock
  /** A peer given by hand could not be reached; called once until it has been reached. */
  readonly onUnreachable?: (addr: string, err: unknown) => void
}

export class HostContacts {
  readonly #first: FirstContact
  readonly #rejoin: Rejoin

  constructor({ host, book, peers, log = silentLogger, clock, onUnreachable }: HostContactsInit) {
    const { dialer, libp2p, routing } = host
    this.#first = new FirstContact({
      libp2p,
      dialer,
      book,
      peers,
      log,
      addrs: () => host.addrs(),
      onMoved: () => {
        this.#rejoin.moved()
        // some connections outlive it, as those of another interface
        void libp2p.services.identifyPush.push()
      },
      isAlone: () => routing.tableSize === 0,
      ping: (peer, signal) => libp2p.services.ping.ping(peer, { signal }),
      ...(onUnreachable === undefined ? {} : { onUnreachable })
    })
    this.#rejoin = new Rejoin({ libp2p, book, log, ...(clock === undefined ? {} : { clock }) })
  }

  /** Resolves when everyone known has been tried once; it goes on until `stop`. */
  start(): Promise<void> {
    this.#rejoin.start()
    return this.#first.start()
  }

  /** The peers given by hand whose ID is known: address → peer ID. */
  reached(): ReadonlyMap<string, string> {
    return this.#first.reached()
  }

  async stop(): Promise<void> {
    await this.#rejoin.stop()
    await this.#first.stop()
  }
}
