/** What lies in a data folder: a damaged one is input too. */
import { isDeepStrictEqual } from 'node:util'
import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { Key } from 'interface-datastore/key'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { seededRandom } from '../../src/base/random.ts'
import { Bitfield } from '../../src/content/bitfield.ts'
import type { KeyValue } from '../../src/content/store/key-value.ts'
import * as records from '../../src/content/store/records.ts'
import { readRootCid } from '../../src/content/store/root-cid.ts'
import { parseRootsList } from '../../src/content/store/roots-list.ts'
import { RecordStore } from '../../src/dht/record-store.ts'
import { ReprovideSchedule } from '../../src/dht/reprovide-schedule.ts'
import { parseKey } from '../../src/node/host/identity.ts'
import { parsePeers } from '../../src/node/host/peer-book.ts'
import { isLimit, LimitRecords } from '../../src/node/limit-records.ts'
import { ScheduleRecords } from '../../src/node/schedule-records.ts'
import { UseBook } from '../../src/node/storage/use-book.ts'
import { InputReader } from '../input-reader.ts'
import { claim, orDeclared, type Target, textOf, texts, utf8 } from '../target.ts'

const PEER_ID = '12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA'
const ROOT = 'bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi'
const RECORD = {
  ...{ cid: ROOT, name: 'a', path: '/a', source: 'share', state: 'complete', temp: null, tempId: null, moving: false },
  ...{ addedAt: 1, nodes: 1, pieces: 1, totalBytes: 9, heldPieces: 1, heldBytes: 9, problem: null }
}
const PEERS = { version: 1, peers: [{ id: PEER_ID, addrs: ['/ip4/192.0.2.1/tcp/4160'], lastSeenMs: 1 }] }

const print = { altered: true, size: 9, mtimeNs: 1n, ctimeNs: -1n, ino: 7n, dev: 8n }

/** The first byte says which record it is, the second its chunk. */
const SEEDS = [
  [0, records.encodeJson(RECORD)],
  [1, records.encodeFingerprints([[3, print]])],
  [2, new Uint8Array(125).fill(255)],
  [3, records.encodeEnvelope({ prefix: Uint8Array.of(1, 2), suffix: Uint8Array.of(3) })],
  [4, utf8('node/00000001/0000000f')],
  [5, records.seal('version', utf8('1'))],
  [6, utf8(JSON.stringify(PEERS))],
  [7, utf8(JSON.stringify({ version: 1, roots: [{ cid: ROOT, name: 'a', path: '/a' }] }))]
] as const

const decoders: ReadonlyArray<(payload: Uint8Array, chunk: number) => void> = [
  payload => {
    const root = records.decodeRoot(payload)
    if (root === undefined) return
    claim(isDeepStrictEqual(records.decodeRoot(records.encodeJson(root)), root), 'another record')
    readRootCid(root.cid)
  },
  payload => {
    const prints = records.decodeFingerprints(payload)
    if (prints !== undefined) claim(prints.size <= payload.byteLength / 45, 'more files than fit')
  },
  (payload, chunk) => {
    const bits = new Bitfield(records.PIECES_PER_RECORD + 1_000)
    const fits = records.decodeBits(payload, chunk % 4, bits)
    claim(fits || bits.count === 0, 'pieces out of a record that does not fit')
    claim(
      [...bits.ones()].every(piece => piece < bits.length),
      'a piece that is none'
    )
  },
  payload => {
    const envelope = records.decodeEnvelope(payload)
    if (envelope === undefined) return
    claim(
      envelope.prefix.byteLength + envelope.suffix.byteLength + 4 === payload.byteLength,
      'bytes that were not there'
    )
  },
  payload => {
    const key = records.parseKey(textOf(payload))
    if (key !== undefined)
      claim(Number.isSafeInteger(key.id) && Number.isSafeInteger(key.index), 'a number that is none')
  },
  payload => {
    const value = records.unseal('version', payload)
    if (value !== undefined) claim(Buffer.compare(records.seal('version', value), payload) === 0, 'another seal')
  },
  payload => {
    for (const peer of parsePeers(textOf(payload)) ?? [])
      claim(peer.addrs.length > 0 && peer.addrs.length <= 8, 'addresses')
  },
  payload => {
    for (const { cid } of orDeclared(['ERR_STORE_VERSION'], () => parseRootsList(payload, '/data/store')) ?? [])
      readRootCid(cid)
  }
]

export const storedRecords: Target = {
  name: 'stored-records',
  claims: 'a record as it was written, or none; a newer format is a declared error',
  maxBytes: 5_000,
  seeds: () => SEEDS.map(([kind, payload]) => Buffer.concat([Uint8Array.of(kind, 0), payload])),
  dictionary: texts('"version":2', '"peers":[', 'null', '1e999', '-0', '"__proto__":', '{}', '[]', '\ud800', ROOT),
  run: input => decoders[(input[0] ?? 0) % decoders.length]?.(input.subarray(2), input[1] ?? 0)
}

/** Values under the keys that a node reads at its start. */
class FilledKeyValue implements KeyValue {
  readonly #entries: ReadonlyMap<string, Uint8Array>

  constructor(entries: ReadonlyMap<string, Uint8Array>) {
    this.#entries = entries
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.#entries.get(key)
  }

  async put(): Promise<void> {}

  async delete(): Promise<void> {}

  async batch(): Promise<void> {}

  async *entries(prefix: string): AsyncGenerator<{ key: string; value: Uint8Array }> {
    for (const [key, value] of this.#entries) if (key.startsWith(prefix)) yield { key, value }
  }
}

export const startRecords: Target = {
  name: 'start-records',
  claims:
    'limits, schedules and uses of a damaged folder are numbers in their range or left out; an announcement is planned in time',
  maxBytes: 1_024,
  seeds: () =>
    texts(
      '\u0005{"up":1000,"down":null}',
      '\u00051700000000000',
      '\u00050',
      '\u0005-1',
      '\u0005{}',
      '\u0003abc{"usedAt":1,"holders":2,"seenAt":3}',
      '\u0003abc{"usedAt":1,"holders":-2,"seenAt":3}'
    ),
  dictionary: texts(
    '"up":',
    '"down":',
    '"usedAt":',
    '"holders":',
    '"seenAt":',
    'null',
    '1e999',
    '0.5',
    '-1',
    'NaN',
    '9007199254740993',
    'Infinity',
    ' '
  ),
  run: async input => {
    const reader = new InputReader(input)
    const name = textOf(reader.bytes(40))
    const value = reader.rest()
    const kv = new FilledKeyValue(
      new Map([
        [`limits/${name}`, value],
        [`provided/${name}`, value],
        [`use/${name}`, value],
        ['provided-as', value]
      ])
    )
    for (const { up, down } of (await new LimitRecords(kv).load()).values())
      claim(isLimit(up) && isLimit(down), 'a limit that is none')
    const uses = new UseBook(kv)
    await uses.load(new Set([name]))
    for (const number of Object.values(uses.of(name) ?? {}))
      claim(Number.isSafeInteger(number) && number >= 0, `a use of ${number}`)
    const schedule = new ReprovideSchedule(seededRandom(1))
    const announced = await new ScheduleRecords(kv).load()
    const now = 1_700_000_000_000
    schedule.restore(announced, now)
    const next = schedule.nextMs()
    claim(next === null || (next >= now - 86_400_000 && next <= now + 86_400_000), `an announcement at ${next}`)
  }
}

let keySeeds: Uint8Array[] | undefined

export const keyFiles: Target = {
  name: 'key-files',
  claims: 'an Ed25519 key or a declared error',
  maxBytes: 512,
  seeds: () =>
    keySeeds ?? [
      Uint8Array.of(8, 1, 18, 64, ...new Array(64).fill(1)),
      Uint8Array.of(8, 2, 18, 32, ...new Array(32).fill(1))
    ],
  run: input => {
    const key = orDeclared(['ERR_STORE_DAMAGED'], () => parseKey(input, '/data/key'))
    if (key !== undefined) claim(key.type === 'Ed25519', `a key of type ${key.type}`)
  }
}

/** Real keys as seeds, which take a moment to make. */
export async function makeKeySeeds(): Promise<void> {
  keySeeds = [await generateKeyPair('Ed25519'), await generateKeyPair('secp256k1')].map(privateKeyToProtobuf)
}

const IDENTITY = 0
const LIBP2P_KEY = 0x72
const LIMITS = { records: 12, recordsOfPeer: 5, peers: 4, others: 6 }

export const dhtRecords: Target = {
  name: 'dht-records',
  claims: 'no number of puts and deletes under any key holds more than the limits; what is listed can be read',
  maxBytes: 2_048,
  seeds: () => [
    Uint8Array.from({ length: 900 }, (_, i) => (i * i * 37 + i) % 256),
    Uint8Array.from({ length: 90 }, (_, i) => i)
  ],
  run: input => {
    const self = PEER_ID
    const store = new RecordStore(self, LIMITS)
    const reader = new InputReader(input)
    for (let step = 0; step < 200 && !reader.isDone; step++) {
      const key = keyFrom(reader)
      if (reader.below(4) === 0) store.delete(key)
      else store.put(key, Uint8Array.of(step))
    }
    const all = [...store._all({ prefix: '/' })]
    const names = all.map(({ key }) => key.toString())
    const records = names.filter(name => name.startsWith('/dht/provider/'))
    const foreign = records.filter(name => !name.endsWith(self))
    claim(foreign.length <= LIMITS.records, `${foreign.length} records`)
    const peers = names.filter(name => name.startsWith('/peers/'))
    claim(peers.length <= LIMITS.peers, `${peers.length} peers`)
    claim(names.length - records.length - peers.length <= LIMITS.others, 'more of other things than their limit')
    for (const { key } of all) claim(store.has(key), 'a record that is not there')
    for (const prefix of ['/', '/peers', '/dht/record', '/dht/provider/a'])
      for (const { key } of store._all({ prefix })) store.get(key)
  }
}

const PEER_KEYS = Array.from({ length: 8 }, (_, i) => {
  const key = Uint8Array.from([8, 1, 18, 32, ...new Array(32).fill(i)])
  return `/peers/${CID.createV1(LIBP2P_KEY, createDigest(IDENTITY, key)).toString()}`
})

function keyFrom(reader: InputReader): Key {
  const peer = ['12D3a', '12D3b', PEER_ID, 'x', ''][reader.below(5)] ?? ''
  const parent = 'abcdefgh'[reader.below(8)] ?? ''
  const forms = [
    () => `/dht/provider/${parent}/${peer}`,
    () => `/dht/provider/${parent}`,
    () => PEER_KEYS[reader.below(PEER_KEYS.length)] ?? '/peers/x',
    () => `/dht/record/${reader.byte()}`,
    () => `/x/${textOf(reader.bytes(6))}`
  ]
  return new Key(forms[reader.below(forms.length)]?.() ?? '/x', true)
}
