/** The small version of `npm run soak:dht`: the same network, in rounds instead of minutes. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DhtNetwork, tableOf } from '../../scripts/soak/dht-network.mjs'
import { silentLogger } from '../../src/base/log.ts'
import { seededRandom } from '../../src/base/random.ts'
import { Reprovider } from '../../src/dht/reprovider.ts'
import { createHost } from '../../src/node/host/create-host.ts'
import { HostContacts } from '../../src/node/host/host-contacts.ts'
import { LOOPBACK, until } from '../node/host/test-hosts.ts'

const SEED = 11

let network: DhtNetwork
beforeEach(() => {
  console.log(`seed ${SEED}`)
  network = new DhtNetwork({
    // noise: sockets that are silenced here are read and written by the runtime itself under TLS
    makeHost: privateKey => createHost({ privateKey, listen: [LOOPBACK], log: silentLogger, encryption: ['noise'] }),
    Reprovider,
    Contacts: HostContacts,
    random: seededRandom(SEED)
  })
})
afterEach(() => network.close())

test('who falls silent while connected leaves the tables of those that ask it, and is not asked again', async () => {
  for (let i = 0; i < 5; i++) await network.join({ stays: i === 0 })
  await until('everyone knows everyone', () => network.members.every(({ host }) => tableOf(host).length === 4))
  await network.lose('silently')
  const [silent = ''] = network.gone
  const asker = network.members.at(-1)
  if (asker === undefined) throw new Error('nobody is left')
  expect(tableOf(asker.host)).toContain(silent)
  expect(asker.host.libp2p.getPeers().map(String)).toContain(silent)
  expect(await network.find(asker)).toMatchObject({ found: true, failed: 1 })
  await until('it left the table', () => !tableOf(asker.host).includes(silent), 30_000)
  // still connected, as nobody told it otherwise; others may go on naming it
  expect(asker.host.libp2p.getPeers().map(String)).toContain(silent)
  expect(await network.find(asker)).toMatchObject({ found: true })
  expect(tableOf(asker.host)).not.toContain(silent)
})

test('who leaves with a word is soon in no table, though nobody asks it for anything', async () => {
  for (let i = 0; i < 5; i++) await network.join({ stays: i === 0 })
  await until('everyone knows everyone', () => network.members.every(({ host }) => tableOf(host).length === 4))
  await network.lose('closing')
  const [gone = ''] = network.gone
  await until('it left every table', () => network.members.every(({ host }) => !tableOf(host).includes(gone)), 30_000)
})
