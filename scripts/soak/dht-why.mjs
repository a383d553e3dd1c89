/**
 * Why a newcomer did not find a record: who holds it among those nearest to it, and who of them was asked. All of it is
 * seen from outside, as every node is in this process.
 */
import { createHash } from 'node:crypto'

/** @typedef {import('./dht-network.mjs').Member} Member */
/** @typedef {import('multiformats/cid').CID} CID */
/**
 * @typedef {object} Why
 * @property {string} nearest of the 20 living nodes nearest to the content, in order: `H` holds the record, `.` does
 *   not; `+` follows who was asked by the newcomer
 * @property {number} holders living nodes that hold it
 * @property {number} table peers in the newcomer's table
 * @property {number} tableGone those of them that are gone
 * @property {number} connections the newcomer's
 * @property {number} told members of which it was told when it came
 * @property {readonly string[]} troubles why it could not reach one of them
 * @property {number} joinMs how long dialling them took
 * @property {number} toldGone those of them that are gone
 */

const K = 20

/** @param {Uint8Array} bytes */
const sha256 = bytes => createHash('sha256').update(bytes).digest()

/** @param {Buffer} a @param {Buffer} b */
const xor = (a, b) => Buffer.from(a.map((byte, i) => byte ^ (b[i] ?? 0)))

/**
 * @param {object} view
 * @param {CID} view.content
 * @param {Member} view.newcomer
 * @param {ReadonlySet<string>} view.asked peer IDs
 * @param {readonly Member[]} view.members living
 * @param {readonly string[]} view.table peer IDs
 * @param {ReadonlySet<string>} view.gone peer IDs
 * @returns {Promise<Why>}
 */
export async function whyNotFound({ content, newcomer, asked, members, table, gone }) {
  const target = sha256(content.multihash.bytes)
  const ranked = members
    .map(member => ({ member, distance: xor(sha256(member.host.libp2p.peerId.toMultihash().bytes), target) }))
    .sort((a, b) => Buffer.compare(a.distance, b.distance))
    .map(({ member }) => member)
  const holds = await Promise.all(ranked.map(member => holdsRecord(member, content)))
  const sign = (/** @type {Member} */ member, /** @type {number} */ i) =>
    (member === newcomer ? 'N' : holds[i] ? 'H' : '.') + (asked.has(member.host.peerId) ? '+' : '')
  return {
    nearest: ranked.slice(0, K).map(sign).join(''),
    holders: holds.filter(Boolean).length,
    table: table.length,
    tableGone: table.filter(id => gone.has(id)).length,
    connections: newcomer.host.libp2p.getConnections().length,
    told: newcomer.told.length,
    troubles: newcomer.troubles,
    joinMs: Math.round(newcomer.joinMs),
    toldGone: newcomer.told.filter(id => gone.has(id)).length
  }
}

/** @param {Member} member @param {CID} content */
export async function holdsRecord(member, content) {
  /** @type {{ providers: { getProviders(cid: CID): Promise<unknown[]> } }} */
  const { providers } = /** @type {any} */ (member.host.libp2p.services.dht)
  return (await providers.getProviders(content)).length > 0
}
