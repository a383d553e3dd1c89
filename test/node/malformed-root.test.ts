import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encode, prepare } from '@ipld/dag-pb'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { UnixFS } from 'ipfs-unixfs'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/log.ts'
import { seededRandom } from '../../src/base/random.ts'
import { Bitfield } from '../../src/content/bitfield.ts'
import { cidOf, DAG_PB, RAW } from '../../src/content/cid.ts'
import { createNode } from '../../src/index.ts'
import { createHost } from '../../src/node/host/create-host.ts'
import { SwarmHost } from '../../src/transfer/io/swarm-host.ts'
import { mapPieces } from '../helpers/memory-storage.ts'

let dir: string
const stops: Array<() => Promise<void>> = []
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'shoal-malformed-'))
})
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
  rmSync(dir, { recursive: true, force: true })
})

const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()

/** Serves one DAG node as the root of something with one leaf; returns its CID and the server's address. */
async function serve(block: Uint8Array, leaf: Uint8Array): Promise<{ cid: string; addr: string; banned: string[] }> {
  const cid = cidOf(DAG_PB, sha(block))
  const host = await createHost({
    privateKey: await generateKeyPair('Ed25519'),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    log: silentLogger
  })
  const swarms = new SwarmHost({
    selfId: host.peerId,
    dialer: host.dialer,
    addrsOf: () => [],
    clock: systemClock,
    random: seededRandom(1),
    log: silentLogger
  })
  stops.push(async () => {
    await swarms.stop()
    await host.stop()
  })
  await host.dialer.onStream(stream => swarms.accept(stream))
  const pieces = mapPieces(leaf, [leaf.byteLength])
  swarms.open(cid.bytes).attach(
    {
      pieces,
      nodeCount: 1,
      have: Bitfield.full(1),
      read: async (offset, length) => leaf.slice(offset, offset + length),
      write: async () => {},
      readNode: async () => block,
      onLost: undefined
    },
    { fetch: false }
  )
  const banned: string[] = []
  swarms.events.on('peer:banned', ({ peerId }) => banned.push(peerId))
  return { cid: cid.toString(), addr: host.addrs()[0] ?? '', banned }
}

const leaf = new Uint8Array(1000).fill(7)
const file = (blockSizes: bigint[], tsize: number) =>
  encode(
    prepare({
      Data: new UnixFS({ type: 'file', blockSizes }).marshal(),
      Links: [{ Name: '', Tsize: tsize, Hash: cidOf(RAW, sha(leaf)) }]
    })
  )

it.each([
  ['no block size for a leaf', file([], 1000)],
  ['a leaf of a size that no leaf has', file([1n << 40n], 1000)],
  ['a block that is no UnixFS', encode(prepare({ Data: Uint8Array.of(9, 9, 9), Links: [] }))],
  [
    'a folder whose name leaves the destination',
    encode(
      prepare({
        Data: new UnixFS({ type: 'directory' }).marshal(),
        Links: [{ Name: '../escape', Tsize: 1000, Hash: cidOf(RAW, sha(leaf)) }]
      })
    )
  ]
])('a root with %s ends the fetch as malformed, bans nobody and writes nothing', async (_, block) => {
  const { cid, addr } = await serve(block, leaf)
  const node = await createNode({ dataDir: join(dir, 'data'), listen: ['/ip4/127.0.0.1/tcp/0'], peers: [addr] })
  stops.push(() => node.stop())
  await node.start()
  const banned: string[] = []
  node.on('peer:banned', ({ peerId }) => banned.push(peerId))
  const to = join(dir, 'out')
  await expect(node.fetch(cid, { to, timeoutMs: 10_000 }).done).rejects.toMatchObject({ code: 'ERR_MALFORMED_ROOT' })
  expect(banned).toEqual([])
  expect(existsSync(to)).toBe(false)
  expect(existsSync(join(dir, 'escape'))).toBe(false)
  expect(await node.list()).toEqual([])
})

it('a leaf that is not of its stated length cannot be fetched, and ends as data that does not match', async () => {
  const { cid, addr } = await serve(file([900n], 900), leaf)
  const node = await createNode({ dataDir: join(dir, 'data'), listen: ['/ip4/127.0.0.1/tcp/0'], peers: [addr] })
  stops.push(() => node.stop())
  await node.start()
  const to = join(dir, 'out')
  await expect(node.fetch(cid, { to, timeoutMs: 10_000 }).done).rejects.toMatchObject({ code: 'ERR_BAD_DATA' })
  expect(existsSync(to)).toBe(false)
})
