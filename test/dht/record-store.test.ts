import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { MemoryDatastore } from 'datastore-core'
import fc from 'fast-check'
import { Key } from 'interface-datastore'
import { expect, test } from 'vitest'
import { MAX_GIVEN, RecordStore } from '../../src/dht/record-store.ts'
import { cpuMs } from '../helpers/cpu-time.ts'

const NONE = new Uint8Array([1])
const someId = async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
const record = (content: string, peer: string) => new Key(`/dht/provider/${content}/${peer}`)

function keys(store: { queryKeys(q: { prefix?: string }): unknown }, prefix: string): Promise<string[]> {
  return (async () => {
    const found: string[] = []
    for await (const key of store.queryKeys({ prefix }) as AsyncIterable<Key>) found.push(key.toString())
    return found.sort()
  })()
}

test('it answers every question as the stock store does', async () => {
  const name = fc.constantFrom(
    '/dht/provider/a/p',
    '/dht/provider/a/q',
    '/dht/provider/b/p',
    '/peers/x',
    '/self',
    '/dht/record/1'
  )
  const step = fc.record({ op: fc.constantFrom('put', 'put', 'delete'), name, value: fc.uint8Array({ maxLength: 3 }) })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async steps => {
      const [ours, stock] = [new RecordStore('self'), new MemoryDatastore()]
      for (const { op, name, value } of steps) {
        const key = new Key(name)
        for (const store of [ours, stock]) {
          if (op === 'put') await store.put(key, value)
          else await store.delete(key)
        }
        expect(ours.has(key)).toBe(await stock.has(key))
        if (ours.has(key)) expect(ours.get(key)).toEqual(await stock.get(key))
        else expect(() => ours.get(key)).toThrow(expect.objectContaining({ name: 'NotFoundError' }))
      }
      for (const prefix of ['/', '/dht', '/dht/provider', '/dht/provider/a', '/dht/provider/c', '/peers', '/peers/']) {
        expect(await keys(ours, prefix)).toEqual(await keys(stock, prefix))
      }
    })
  )
})

test('full: what was renewed longest ago goes, our own never', async () => {
  const store = new RecordStore('self', { records: 4, recordsOfPeer: 3, peers: 9, others: 100 })
  store.put(record('own', 'self'), NONE)
  for (const content of ['a', 'b', 'c']) store.put(record(content, 'p'), NONE)
  store.put(record('a', 'p'), NONE)
  store.put(record('d', 'p'), NONE)
  const paths = (...names: string[]) => names.map(name => `/dht/provider/${name}`)
  expect(await keys(store, '/dht/provider')).toEqual(paths('a/p', 'c/p', 'd/p', 'own/self'))
  store.put(record('a', 'q'), NONE)
  expect(await keys(store, '/dht/provider')).toEqual(paths('a/p', 'a/q', 'd/p', 'own/self'))
  for (let i = 0; i < 10; i++) store.put(record(`mine${i}`, 'self'), NONE)
  expect((await keys(store, '/dht/provider')).filter(name => name.endsWith('/self'))).toHaveLength(11)
})

test('with a peer that is forgotten go its records', async () => {
  const ids = await Promise.all([someId(), someId(), someId()])
  const store = new RecordStore('self', { records: 99, recordsOfPeer: 99, peers: 2, others: 100 })
  for (const id of ids) {
    store.put(record('a', id.toString()), NONE)
    store.put(new Key(`/peers/${id.toCID().toString()}`), NONE)
  }
  expect(await keys(store, '/peers')).toHaveLength(2)
  expect(await keys(store, '/dht/provider/a')).toEqual(
    ids
      .slice(1)
      .map(id => record('a', id.toString()).toString())
      .sort()
  )
})

test('of many records of one CID some are handed out: its own, the newest, and in time each', async () => {
  const store = new RecordStore('self')
  store.put(record('a', 'self'), NONE)
  for (let i = 0; i < 300; i++) store.put(record('a', `peer${i}`), NONE)
  const seen = new Set<string>()
  for (let ask = 0; ask < 200; ask++) {
    const given = await keys(store, '/dht/provider/a')
    expect(new Set(given).size).toBe(MAX_GIVEN)
    expect(given).toContain(record('a', 'self').toString())
    for (let i = 270; i < 300; i++) expect(given).toContain(record('a', `peer${i}`).toString())
    for (const name of given) seen.add(name)
  }
  expect(seen.size).toBe(301)
  // the hourly pass over what has expired sees them all
  expect(await keys(store, '/dht/provider')).toHaveLength(301)
})

const entry = (id: { toCID(): { toString(): string } }) => new Key(`/peers/${id.toCID().toString()}`)

test('a peer that was only heard of never pushes out one with records, nor its records', async () => {
  const [sharer, late, ...crowd] = await Promise.all(Array.from({ length: 22 }, someId))
  if (sharer === undefined || late === undefined) throw new Error('there are 22')
  const store = new RecordStore('self', { records: 99, recordsOfPeer: 99, peers: 4, others: 100 })
  store.put(entry(sharer), NONE)
  store.put(record('a', sharer.toString()), NONE)
  // its record came before what is known of it
  store.put(record('a', late.toString()), NONE)
  store.put(entry(late), NONE)
  for (const id of crowd) store.put(entry(id), NONE)
  expect(store.has(entry(sharer)) && store.has(entry(late))).toBe(true)
  expect(await keys(store, '/dht/provider/a')).toHaveLength(2)
  expect(await keys(store, '/peers')).toEqual([sharer, late, ...crowd.slice(-2)].map(id => entry(id).toString()).sort())
  // with its last record it becomes one of them
  store.delete(record('a', sharer.toString()))
  for (const id of crowd) store.put(entry(id), NONE)
  expect(store.has(entry(sharer))).toBe(false)
  expect(store.has(entry(late))).toBe(true)
})

test('of those without records who is needed stays, and who was heard of last gives way to providers', async () => {
  const [neighbour, ...crowd] = await Promise.all(Array.from({ length: 12 }, someId))
  if (neighbour === undefined) throw new Error('there are twelve')
  const store = new RecordStore('self', { records: 99, recordsOfPeer: 99, peers: 3, others: 100 })
  store.isNeeded = peer => peer.equals(neighbour)
  store.put(entry(neighbour), NONE)
  for (const id of crowd) store.put(entry(id), NONE)
  expect(store.has(entry(neighbour))).toBe(true)
  const providers = crowd.slice(0, 2)
  for (const id of providers) {
    store.put(record('a', id.toString()), NONE)
    store.put(entry(id), NONE)
  }
  for (const id of crowd.slice(2)) store.put(entry(id), NONE)
  expect(await keys(store, '/peers')).toEqual([neighbour, ...providers].map(id => entry(id).toString()).sort())
})

test('a question is quick however much is held', async () => {
  const store = new RecordStore('self')
  for (let i = 0; i < 50_000; i++) store.put(record(`content${i}`, `peer${i % 500}`), NONE)
  const start = cpuMs()
  for (let i = 0; i < 1_000; i++) expect(await keys(store, `/dht/provider/content${i}`)).toHaveLength(1)
  expect(cpuMs() - start).toBeLessThan(3_000)
})

test('whatever else is put there is bounded too', async () => {
  const store = new RecordStore('self', { records: 9, recordsOfPeer: 9, peers: 9, others: 3 })
  for (let i = 0; i < 10; i++) store.put(new Key(`/dht/record/${i}`), NONE)
  expect(await keys(store, '/dht/record')).toEqual(['/dht/record/7', '/dht/record/8', '/dht/record/9'])
})

test('a key or value that no honest node makes is refused', () => {
  const store = new RecordStore('self')
  // kad-dht takes a content ID of any length up to its message's 4 MB
  expect(() => store.put(record('x'.repeat(300), 'p'), NONE)).toThrow(expect.objectContaining({ code: 'ERR_LIMIT' }))
  expect(() => store.put(new Key('/peers/x'), new Uint8Array(40_000))).toThrow(
    expect.objectContaining({ code: 'ERR_LIMIT' })
  )
  // a multihash of 512 bits, and the longest peer ID
  const longest = record('a'.repeat(110), `Qm${'a'.repeat(60)}`)
  store.put(longest, NONE)
  expect(store.has(longest)).toBe(true)
})
