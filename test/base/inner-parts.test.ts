import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { requireMethods } from '../../src/base/inner-parts.ts'
import { KAD_LIBRARY } from '../../src/dht/kad.ts'
import { LIBP2P } from '../../src/node/host/create-host.ts'

const KEPT = { rpc: { handleMessage() {} }, network: null }

it('says which methods are missing, and of which version', () => {
  requireMethods(KAD_LIBRARY, KEPT, ['rpc.handleMessage'])
  expect(() => requireMethods({ name: 'kad', version: '1.2.3' }, KEPT, ['rpc.handle', 'network.send'])).toThrow(
    'kad is not 1.2.3, which this is made for: it has no rpc.handle, network.send'
  )
})

it.each([KAD_LIBRARY, LIBP2P])('$name: what is replaced was looked at in the version that is used', async library => {
  const { dependencies } = JSON.parse(await readFile('package.json', 'utf8')) as {
    dependencies: Record<string, string>
  }
  expect(dependencies[library.name]).toBe(library.version)
})
