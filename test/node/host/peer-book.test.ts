import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/log.ts'
import { MAX_OF_HOST, PEERS_FILE, PeerBook } from '../../../src/node/host/peer-book.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'shoal-book-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const ids = await Promise.all(
  Array.from({ length: 260 }, async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString())
)
const at = (n: number) => [`/ip4/192.0.2.${n % 250}/tcp/4160`]
const HOST = '/ip4/198.51.100.1'

async function book(): Promise<PeerBook> {
  const made = new PeerBook({ dataDir: dir, log: silentLogger })
  await made.load()
  return made
}

test('names of one host that only came in push out nobody who was dialled, nor those of other hosts', async () => {
  const made = await book()
  const dialled = ids.slice(0, 5)
  for (const [n, id] of dialled.entries()) made.saw(id, at(n))
  made.saw(ids[5] ?? '', at(5), '/ip4/203.0.113.5')
  for (const [n, id] of ids.slice(10, 210).entries()) made.saw(id, at(n), HOST)
  await made.flush()
  for (const one of [made, await book()]) {
    const known = one.recent().map(({ id }) => id)
    expect(known).toEqual(expect.arrayContaining([...dialled, ids[5]]))
    expect(known).toHaveLength(dialled.length + 1 + MAX_OF_HOST)
    expect(known).toContain(ids[209])
  }
})

test('however many hosts they come from, who was dialled stays, and comes first', async () => {
  const made = await book()
  const dialled = ids.slice(0, 5)
  for (const [n, id] of dialled.entries()) made.saw(id, at(n))
  for (const [n, id] of ids.slice(10, 210).entries()) made.saw(id, at(n), `/ip4/198.51.100.${n}`)
  const order = made.recent().map(({ id }) => (dialled.includes(id) ? 'd' : 'i'))
  expect(order.join('')).toBe(`dddidd${'i'.repeat(49)}`)
})

test('who came in and is dialled later counts as dialled, and for good', async () => {
  const made = await book()
  const [id = ''] = ids
  made.saw(id, at(1), HOST)
  expect(made.find(id)?.from).toBe(HOST)
  made.saw(id, at(2))
  made.saw(id, at(3), HOST)
  expect(made.recent()).toEqual([{ id, addrs: at(3), lastSeenMs: expect.any(Number) }])
})

test('a file of before is read, and what is written is one that could be read then', async () => {
  const peers = ids.slice(0, 2).map((id, n) => ({ id, addrs: at(n), lastSeenMs: 1000 + n }))
  await writeFile(join(dir, PEERS_FILE), JSON.stringify({ version: 1, peers }))
  const made = await book()
  expect(made.recent()).toEqual([...peers].reverse())
  made.saw(ids[2] ?? '', at(2), HOST)
  await made.flush()
  const written = JSON.parse(await readFile(join(dir, PEERS_FILE), 'utf8'))
  expect(written).toMatchObject({ version: 1 })
  for (const peer of written.peers) {
    expect(peer).toMatchObject({
      id: expect.any(String),
      addrs: [expect.any(String)],
      lastSeenMs: expect.any(Number)
    })
  }
})
