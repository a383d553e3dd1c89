import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createNode } from '../../src/node/create-node.ts'
import { addrOf, host } from './host/test-hosts.ts'

test.each([
  ['lean', 'stock'],
  ['stock', 'lean']
] as const)('a host with the %s muxer and one with the %s meet', async (near, far) => {
  const [dialer, listener] = [await host({ muxer: near }), await host({ muxer: far })]
  const arrived = new Promise(resolve => void listener.dialer.onStream(resolve))
  const peer = { id: listener.peerId, addrs: [addrOf(listener)], seeder: false }
  const stream = await dialer.dialer.dial(peer, { signal: AbortSignal.timeout(30_000) })
  await arrived
  stream.abort(new Error('enough'))
})

test('another name is refused', async () => {
  const muxer = 'mplex' as 'lean'
  await expect(createNode({ dataDir: join(tmpdir(), 'never-made'), muxer })).rejects.toMatchObject({
    code: 'ERR_USAGE'
  })
})
