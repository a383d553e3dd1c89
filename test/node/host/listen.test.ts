import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { checkListen, chooseDefaultListen, fromListenFailure, probePort } from '../../../src/node/host/listen.ts'

test('the default is 4160 on every interface', async () => {
  expect(await chooseDefaultListen(async () => undefined)).toEqual(['/ip4/0.0.0.0/tcp/4160', '/ip6/::/tcp/4160'])
})

test('where 4160 is taken, any free port', async () => {
  const probe = async (_host: string, port: number) => (port === 4160 ? 'EADDRINUSE' : undefined)
  expect(await chooseDefaultListen(probe)).toEqual(['/ip4/0.0.0.0/tcp/0', '/ip6/::/tcp/0'])
})

test('where 4160 is taken on IPv6 alone, IPv4 keeps it', async () => {
  const probe = async (host: string, port: number) => (host === '::' && port === 4160 ? 'EADDRINUSE' : undefined)
  expect(await chooseDefaultListen(probe)).toEqual(['/ip4/0.0.0.0/tcp/4160', '/ip6/::/tcp/0'])
})

test('a machine without IPv6 does without', async () => {
  const probe = async (host: string) => (host === '::' ? 'EAFNOSUPPORT' : undefined)
  expect(await chooseDefaultListen(probe)).toEqual(['/ip4/0.0.0.0/tcp/4160'])
})

test.each([
  ['EADDRINUSE', 'ERR_PORT_IN_USE', /another program/],
  ['EACCES', 'ERR_NO_PERMISSION', /permission/],
  ['EADDRNOTAVAIL', 'ERR_PORT_IN_USE', /no such address/]
])('%s is told with the address', async (system, code, text) => {
  const addrs = ['/ip4/127.0.0.1/tcp/1', '/ip4/127.0.0.1/tcp/2']
  const probe = async (_host: string, port: number) => (port === 2 ? system : undefined)
  await expect(checkListen(addrs, probe)).rejects.toMatchObject({
    code,
    message: expect.stringMatching(text),
    details: { addr: addrs[1], system },
    hint: expect.stringMatching(/--listen/)
  })
})

test('the probe knows a taken port from a free one, and leaves it free', async () => {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  expect(await probePort('127.0.0.1', port)).toBe('EADDRINUSE')
  await new Promise(resolve => server.close(resolve))
  expect(await probePort('127.0.0.1', port)).toBeUndefined()
  expect(await probePort('127.0.0.1', port)).toBeUndefined()
})

test("libp2p's text about a race is understood", () => {
  const err = fromListenFailure(new Error('… /ip4/127.0.0.1/tcp/9: Error: listen EADDRINUSE: …'), [
    '/ip4/127.0.0.1/tcp/9'
  ])
  expect(err).toMatchObject({ code: 'ERR_PORT_IN_USE', details: { addr: '/ip4/127.0.0.1/tcp/9' } })
})
