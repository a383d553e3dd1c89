/**
 * A DHT of many real hosts in this process, over loopback, whose nodes come and go. Some stay and announce content;
 * the others are replaced one by one. Of those that go, every other one says nothing: its sockets stay open and mute.
 */
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { CID } from 'multiformats/cid'
import { create as digestOf } from 'multiformats/hashes/digest'
import { holdsRecord, whyNotFound } from './dht-why.mjs'
import { SocketLedger } from './sockets.mjs'

/** @typedef {import('../../src/node/host/create-host.ts').Host} Host */
/** @typedef {import('@libp2p/interface').PrivateKey} PrivateKey */
/** @typedef {(privateKey: PrivateKey) => Promise<Host>} HostMaker */
/** @typedef {typeof import('../../src/dht/reprovider.ts').Reprovider} ReproviderClass */
/** @typedef {import('../../src/node/host/host-contacts.ts').HostContacts} HostContacts */
/** @typedef {typeof import('../../src/node/host/host-contacts.ts').HostContacts} ContactsClass */
/** @typedef {import('../../src/dht/reprovider.ts').Reprovider} Reprovider */
/** @typedef {import('../../src/base/random.ts').Random} Random */
/**
 * @typedef {object} Member
 * @property {string} name
 * @property {Host} host
 * @property {HostContacts} contacts how it got in, and gets back in
 * @property {readonly string[]} told peer IDs of those that it was told of when it came
 * @property {string[]} troubles why it could not reach one of them
 * @property {number} joinMs how long the first round of dialling them took
 * @property {Reprovider | undefined} reprovider of one that stays
 * @property {CID | undefined} content that one that stays announces
 * @property {number} messages of the DHT that it sent: questions, announcements and pings
 * @property {Set<string>} asked peer IDs of those that it asked for providers
 * @property {number} bornMs
 */
/**
 * @typedef {object} Try
 * @property {boolean} first whether the first lookup found it
 * @property {boolean} found whether it was found at all
 * @property {number} lookups
 * @property {number} firstMs until the provider was named, or the last lookup had ended
 * @property {number} longestMs the longest lookup, to its end
 * @property {number} failed nodes of the first lookup that did not answer
 * @property {number} asked
 * @property {import('./dht-why.mjs').Why} [why] of one whose first lookup found nothing, as it was right after
 */

const RAW = 0x55
const SHA2_256 = 0x12
/** A silent one is destroyed after so long, as the memory that it takes is this process's. */
const SILENT_MS = 60_000
/**
 * Who knows fewer is not in the network yet: its one contact may have fallen silent the moment it came, and then it can
 * lead nobody in. A newcomer is told of one that is.
 */
const SETTLED_PEERS = 3
/** Pauses after lookups that found nothing, those of a fetch (src/node/provider-search.ts); then a try has failed. */
const PAUSES_MS = [1_000, 2_000, 3_000, 5_000]

export class DhtNetwork {
  /** Alive and answering. @type {Member[]} */
  members = []
  /** Names of those that fell silent or left. @type {Set<string>} */
  gone = new Set()
  ledger = new SocketLedger()
  /** How many announcements the nodes that stay have made. */
  announcements = 0
  #make
  #Reprovider
  #Contacts
  #contactsEach
  #random
  #time
  #born = 0
  #left = 0
  /** @type {Map<string, { member: Member, timer: NodeJS.Timeout }>} */
  #silent = new Map()
  /** @type {Set<Promise<void>>} */
  #ending = new Set()

  /**
   * @param {object} init
   * @param {HostMaker} init.makeHost
   * @param {ReproviderClass} init.Reprovider
   * @param {ContactsClass} init.Contacts
   * @param {number} [init.contactsEach] members of which a newcomer is told
   * @param {Random} init.random
   * @param {Pick<import('../../src/dht/reprovider.ts').ReproviderInit, 'clock' | 'startTimer'>} [init.time] by which
   *   records are announced anew; by default the system's
   */
  constructor({ makeHost, Reprovider, Contacts, contactsEach = 1, random, time = {} }) {
    this.#make = makeHost
    this.#Reprovider = Reprovider
    this.#Contacts = Contacts
    this.#contactsEach = contactsEach
    this.#random = random
    this.#time = time
  }

  /**
   * A newcomer, told of members of the network drawn at random. Whether it reached one shows when it looks for something.
   * @param {{ stays?: boolean }} [options]
   */
  async join({ stays = false } = {}) {
    const name = `node ${++this.#born}`
    const seed = createHash('sha256')
      .update(`${name}/${this.#random.below(2 ** 32)}`)
      .digest()
    const settled = this.members.filter(({ host }) => tableOf(host).length >= SETTLED_PEERS)
    const from = settled.length > 0 ? settled : this.members
    /** @type {Set<Member>} */
    const drawn = new Set()
    while (drawn.size < Math.min(this.#contactsEach, from.length)) drawn.add(this.#draw(from))
    return await this.ledger.run(name, async () => {
      const host = await this.#make(await generateKeyPairFromSeed('Ed25519', seed))
      const peers = [...drawn].map(member => member.host.addrs()[0] ?? '')
      /** @type {string[]} */
      const troubles = []
      const contacts = new this.#Contacts({
        host,
        book: memoryBook(),
        peers,
        onUnreachable: (_addr, err) => troubles.push(err instanceof Error ? err.message : String(err))
      })
      /** @type {Member} */
      const member = {
        name,
        host,
        contacts,
        told: [...drawn].map(member => member.host.peerId),
        troubles,
        joinMs: 0,
        reprovider: undefined,
        content: undefined,
        messages: 0,
        asked: new Set(),
        bornMs: performance.now()
      }
      countMessages(member)
      await contacts.start()
      member.joinMs = performance.now() - member.bornMs
      this.members.push(member)
      if (stays) await this.share(member)
      return member
    })
  }

  /** It stays from now on, and announces its content. @param {Member} member */
  async share(member) {
    const { host } = member
    const digest = createHash('sha256').update(`content of ${member.name}`).digest()
    const content = CID.createV1(RAW, digestOf(SHA2_256, digest))
    const reprovider = new this.#Reprovider({
      routing: host.routing,
      store: memoryStore(),
      peerId: host.peerId,
      addrs: () => host.addrs(),
      ...this.#time,
      onAnnounced: () => {
        this.announcements += 1
      }
    })
    member.reprovider = reprovider
    member.content = content
    await reprovider.start()
    await reprovider.add(content)
  }

  /** Waits until every one that stays has announced its content once. */
  async announced() {
    for (const { reprovider, content } of this.stayers) {
      if (reprovider !== undefined && content !== undefined) await reprovider.announced(content)
    }
  }

  get stayers() {
    return this.members.filter(member => member.reprovider !== undefined)
  }

  /** One of those that do not stay goes, a newcomer comes. */
  async replaceOne() {
    await this.lose(this.#left++ % 2 === 0 ? 'silently' : 'closing')
    return await this.join()
  }

  /**
   * One of those that do not stay goes.
   * @param {'silently' | 'closing'} how
   */
  async lose(how) {
    const leaver = this.#draw(this.members.filter(member => member.reprovider === undefined))
    this.members.splice(this.members.indexOf(leaver), 1)
    this.gone.add(leaver.host.peerId)
    if (how === 'closing') return await this.#destroy(leaver)
    this.ledger.silence(leaver.name)
    const timer = setTimeout(() => this.#bury(leaver), SILENT_MS)
    this.#silent.set(leaver.name, { member: leaver, timer })
  }

  /** @param {Member} member */
  #bury(member) {
    this.#silent.delete(member.name)
    const ending = this.#destroy(member).finally(() => this.#ending.delete(ending))
    this.#ending.add(ending)
  }

  /** @param {Member} member */
  async #destroy(member) {
    await member.reprovider?.stop()
    await member.contacts.stop()
    await member.host.stop()
    this.ledger.forget(member.name)
  }

  /**
   * A newcomer looks for content of one that stays, as a fetch does: again until it is found.
   * @returns {Promise<Try>}
   * @param {Member} newcomer
   * @param {Member} [sharer] by default one drawn at random
   */
  async find(newcomer, sharer = this.#draw(this.stayers)) {
    const content = sharer.content
    if (content === undefined) throw new Error(`${sharer.name} announces nothing`)
    const start = performance.now()
    /** @type {Try} */
    const result = { first: false, found: false, lookups: 0, firstMs: 0, longestMs: 0, failed: 0, asked: 0 }
    await this.ledger.run(newcomer.name, async () => {
      while (!result.found && result.lookups <= PAUSES_MS.length) {
        if (result.lookups > 0) await sleep(PAUSES_MS[result.lookups - 1])
        result.lookups += 1
        const began = performance.now()
        const lookup = newcomer.host.routing.findProviders(content)
        for await (const { id, addrs } of lookup) {
          if (id !== sharer.host.peerId || addrs.length === 0 || result.found) continue
          result.found = true
          result.firstMs = performance.now() - start
        }
        result.longestMs = Math.max(result.longestMs, performance.now() - began)
        if (result.lookups > 1) continue
        result.first = result.found
        result.failed = lookup.stats.failed
        result.asked = lookup.stats.asked
        if (!result.found) {
          const { members, gone } = this
          const table = tableOf(newcomer.host)
          result.why = await whyNotFound({ content, newcomer, asked: newcomer.asked, members, table, gone })
        }
      }
    })
    if (!result.found) result.firstMs = performance.now() - start
    return result
  }

  /** Entries of the routing tables of all members: how many, and how many of them name one that is gone. */
  async tables() {
    const gone = new Set(this.gone)
    let entries = 0
    let dead = 0
    for (const { host } of this.members) {
      for (const id of tableOf(host)) {
        entries += 1
        if (gone.has(id)) dead += 1
      }
    }
    return { entries, dead }
  }

  /** @param {Member} sharer @returns {Promise<number>} how many other members hold the record of its content */
  async holders({ host, content }) {
    if (content === undefined) return 0
    const others = this.members.filter(member => member.host !== host)
    const holds = await Promise.all(others.map(member => holdsRecord(member, content)))
    return holds.filter(Boolean).length
  }

  /** What every member has sent so far: name → bytes on the wire and messages of the DHT. */
  traffic() {
    return new Map(
      this.members.map(member => [
        member.name,
        { sentBytes: this.ledger.bytesOf(member.name).sent, messages: member.messages }
      ])
    )
  }

  async close() {
    for (const { member, timer } of [...this.#silent.values()]) {
      clearTimeout(timer)
      this.#bury(member)
    }
    await Promise.all(this.members.map(member => this.#destroy(member)))
    await Promise.all([...this.#ending])
    this.members = []
    this.ledger.close()
  }

  /** @template T @param {readonly T[]} from @returns {T} */
  #draw(from) {
    const drawn = from[this.#random.below(Math.max(1, from.length))]
    if (drawn === undefined) throw new Error('nobody is left to draw from')
    return drawn
  }
}

/** @param {Host} host @returns {string[]} peer IDs in its routing table */
export function tableOf(host) {
  /** @type {{ kb: { toIterable(): Iterable<{ peerId: import('@libp2p/interface').PeerId }> } }} */
  const { kb } = /** @type {any} */ (host.libp2p.services.dht).routingTable
  return [...kb.toIterable()].map(({ peerId }) => peerId.toString())
}

/** Counts what the DHT of a member asks and tells. @param {Member} member */
function countMessages(member) {
  /** @type {Record<string, (...args: unknown[]) => unknown>} */
  const network = /** @type {any} */ (member.host.libp2p.services.dht).network
  for (const name of ['sendRequest', 'sendMessage']) {
    const send = network[name]?.bind(network)
    if (send === undefined) throw new Error(`kad-dht has no ${name} any more: messages cannot be counted`)
    network[name] = (...args) => {
      member.messages += 1
      noteQuestion(member, args)
      return send(...args)
    }
  }
}

/** @param {Member} member @param {unknown[]} args */
function noteQuestion({ asked }, [to, message]) {
  if (/** @type {{ type?: string }} */ (message).type === 'GET_PROVIDERS') asked.add(String(to))
}

/** What a node remembers of whom it met. @returns {import('../../src/node/host/host-contacts.ts').HostContactsInit['book']} */
function memoryBook() {
  /** @type {Map<string, import('../../src/node/host/peer-book.ts').RememberedPeer>} */
  const peers = new Map()
  return {
    saw: (id, addrs) => {
      peers.delete(id)
      peers.set(id, { id, addrs: addrs.map(addr => addr.replace(/\/p2p\/.*/, '')), lastSeenMs: 0 })
    },
    find: id => peers.get(id),
    recent: () => [...peers.values()].reverse(),
    flush: async () => {}
  }
}

/** @returns {import('../../src/dht/reprovider.ts').ReprovideStore} */
function memoryStore() {
  /** @type {Map<string, number>} */
  const times = new Map()
  /** @type {string | undefined} */
  let identity
  return {
    load: async () => new Map(times),
    save: async (cid, ms) => {
      times.set(cid, ms)
    },
    remove: async cid => {
      times.delete(cid)
    },
    loadIdentity: async () => identity,
    saveIdentity: async digest => {
      identity = digest
    }
  }
}
