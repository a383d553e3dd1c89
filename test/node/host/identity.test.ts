import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { KEY_FILE, loadIdentity } from '../../../src/node/host/identity.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'shoal-identity-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

test('a key is made on first use, private, and is the same ever after', async () => {
  const data = join(dir, 'not', 'there', 'yet')
  const first = await loadIdentity(data)
  expect((await stat(join(data, KEY_FILE))).mode & 0o777).toBe(0o600)
  expect(await readdir(data)).toEqual([KEY_FILE])
  expect((await loadIdentity(data)).equals(first)).toBe(true)
})

test('processes that start at once get the same key', async () => {
  const keys = await Promise.all(Array.from({ length: 8 }, () => loadIdentity(dir)))
  expect(new Set(keys.map(key => peerIdFromPrivateKey(key).toString())).size).toBe(1)
  expect(await readdir(dir)).toEqual([KEY_FILE])
})

test.each([
  ['empty', new Uint8Array()],
  ['cut short', new Uint8Array([8, 1, 18, 64, 1, 2, 3])],
  ['text', new TextEncoder().encode('not a key')]
])('a key file that is %s is told and left alone', async (_name, bytes) => {
  await writeFile(join(dir, KEY_FILE), bytes)
  await expect(loadIdentity(dir)).rejects.toMatchObject({
    code: 'ERR_STORE_DAMAGED',
    hint: expect.stringMatching(/backup/)
  })
  expect(new Uint8Array(await readFile(join(dir, KEY_FILE)))).toEqual(bytes)
})

test('a key of another kind is refused', async () => {
  await writeFile(join(dir, KEY_FILE), privateKeyToProtobuf(await generateKeyPair('secp256k1')))
  await expect(loadIdentity(dir)).rejects.toMatchObject({ code: 'ERR_STORE_DAMAGED' })
})
