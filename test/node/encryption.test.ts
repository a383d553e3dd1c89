import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { createNode } from '../../src/node/create-node.ts'
import { checkEncryption, DEFAULT_ENCRYPTION, type Encryption, parseEncryption } from '../../src/node/encryption.ts'
import { addrOf, host, until } from './host/test-hosts.ts'

const folder = mkdtempSync(join(tmpdir(), 'shoal-encryption-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('lists that are read', () => {
  expect(parseEncryption('tls,noise')).toEqual(DEFAULT_ENCRYPTION)
  expect(parseEncryption(' noise ')).toEqual(['noise'])
  expect(checkEncryption(['noise', 'tls'])).toEqual(['noise', 'tls'])
})

test.each(['', 'tls,', 'none', 'tls,tls', 'TLS'])('%j is none', text => {
  expect(() => parseEncryption(text)).toThrow(expect.objectContaining({ code: 'ERR_USAGE', hint: expect.any(String) }))
})

test('a node that is told nonsense does not start', async () => {
  const encryption = ['plain'] as unknown as Encryption[]
  await expect(createNode({ dataDir: folder, encryption })).rejects.toMatchObject({ code: 'ERR_USAGE' })
})

test.each<[Encryption[] | undefined, Encryption[] | undefined, string]>([
  [undefined, undefined, '/tls/1.0.0'],
  [undefined, ['noise'], '/noise'],
  [['noise'], undefined, '/noise'],
  [['noise', 'tls'], undefined, '/noise'],
  [undefined, ['noise', 'tls'], '/tls/1.0.0'],
  [['tls'], ['noise', 'tls'], '/tls/1.0.0']
])('%j dials %j: %s', async (near, far, encryption) => {
  const [dialer, listener] = [await host({ encryption: near }), await host({ encryption: far })]
  await dialer.dialer.connectTo(addrOf(listener))
  expect(dialer.libp2p.getConnections().map(connection => connection.encryption)).toEqual([encryption])
})

test('without a common one there is no connection', async () => {
  const [dialer, listener] = [await host({ encryption: ['tls'] }), await host({ encryption: ['noise'] })]
  await expect(dialer.dialer.connectTo(addrOf(listener))).rejects.toMatchObject({ code: 'ERR_UNREACHABLE' })
})

test('a banned peer is refused in both directions', async () => {
  const open = await host()
  const closed = await host({ denied: peer => peer === open.peerId })
  await expect(closed.dialer.connectTo(addrOf(open))).rejects.toThrow()
  // The dialer is done with its handshake before it hears of the refusal.
  await open.dialer.connectTo(addrOf(closed)).catch(() => {})
  await until('it is gone again', () => open.libp2p.getConnections().length === 0)
  expect(closed.libp2p.getConnections()).toEqual([])
})

test('the wrong peer is told apart from one that does not answer', async () => {
  const [dialer, listener, other] = [await host(), await host(), await host()]
  const wrong = addrOf(listener).replace(listener.peerId, other.peerId)
  await expect(dialer.dialer.connectTo(wrong)).rejects.toThrow(/wrong peer ID/)
})
