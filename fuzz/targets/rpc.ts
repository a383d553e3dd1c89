/** The control socket, from both ends. */

import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { ShoalError } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/log.ts'
import type { ShoalNode, Transfer } from '../../src/node/api.ts'
import { ClientConnection } from '../../src/rpc/client-connection.ts'
import { LineDecoder, LineTooLong } from '../../src/rpc/lines.ts'
import { MAX_REQUESTS_PER_CONNECTION, parseClientMessage } from '../../src/rpc/messages.ts'
import { ServerConnection } from '../../src/rpc/server-connection.ts'
import { claim, type Target, textOf, texts } from '../target.ts'

const CID = 'bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi'
const REQUESTS = [
  '{"id":1,"method":"hello"}',
  '{"id":2,"method":"share","params":{"path":"/data/film.mkv","hidden":false,"up":1000,"down":null}}',
  `{"id":3,"method":"fetch","params":{"source":"${CID}","to":"/tmp","force":true,"timeoutMs":1000,"up":5}}`,
  '{"id":3,"cancel":true}',
  `{"id":"four","method":"announced","params":{"cid":"${CID}"}}`,
  `{"id":5,"method":"status","params":{"cid":"${CID}"}}`,
  '{"id":6,"method":"setLimits","params":{"up":1,"down":2}}',
  `{"id":7,"method":"verify","params":{"cid":"${CID}"}}`,
  '{"id":8,"method":"connect","params":{"addr":"/ip4/127.0.0.1/tcp/1"}}',
  '{"id":9,"method":"list"}',
  `{"id":10,"method":"remove","params":{"cid":"${CID}"}}`,
  '{"id":11,"method":"limits"}',
  '{"id":12,"method":"peers","params":{}}'
]
const ODDITIES = texts(
  ...[
    '\n',
    '{',
    '}',
    '[',
    ']',
    '"',
    ',',
    ':',
    'null',
    'true',
    '1e999',
    '-1',
    '9007199254740993',
    '""',
    '[]',
    '{}',
    '\\u0000'
  ],
  ...[
    '"id":',
    '"method":',
    '"params":',
    '"cancel":true',
    '"__proto__":',
    '"constructor":',
    '"toString":',
    '"path":"',
    '/..'
  ],
  ...[
    '"error":',
    '"event":',
    '"data":',
    '"result":',
    '"code":',
    '"message":',
    '"hint":',
    '"details":',
    '[[[[[[[[',
    '\\ud800'
  ]
)

/** A socket without a system below it: what is written to it is kept, what is fed arrives. */
class MemorySocket extends Duplex {
  written = ''

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written += chunk.toString()
    done()
  }

  feed(bytes: Uint8Array, step: number): void {
    for (let at = 0; at < bytes.byteLength && !this.destroyed; at += step) {
      this.emit('data', Buffer.from(bytes.subarray(at, at + step)))
    }
  }

  asSocket(): Socket {
    return this as unknown as Socket
  }
}

const DEAD = new ShoalError('ERR_UNKNOWN_ROOT', 'not held here')

/** Checks that what the node is asked for was checked. */
function strictNode(ask: () => void): ShoalNode {
  const text = (value: unknown) => claim(typeof value === 'string' && value.length > 0, 'a text that is none')
  const path = (value: unknown) =>
    claim(typeof value === 'string' && value.startsWith('/') && !value.includes('\0'), 'a path that is none')
  const options = (value: Record<string, unknown>) => {
    ask()
    for (const name of ['hidden', 'force'])
      claim(['undefined', 'boolean'].includes(typeof value[name]), `${name} ${value[name]}`)
    for (const name of ['up', 'down'])
      claim(value[name] === null || ['undefined', 'number'].includes(typeof value[name]), name)
    const { timeoutMs } = value
    claim(timeoutMs === undefined || (typeof timeoutMs === 'number' && timeoutMs > 0 && timeoutMs <= 1e12), 'timeoutMs')
    claim(value['signal'] instanceof AbortSignal, 'no signal')
  }
  const of = (check: (first: never) => void) => async (first: unknown, second: Record<string, unknown>) => {
    check(first as never)
    options(second)
    throw DEAD
  }
  const all = async (value: Record<string, unknown>) => {
    options(value)
    return []
  }
  const fetch = (source: unknown, given: Record<string, unknown>): Partial<Transfer> => {
    text(source)
    path(given['to'])
    options(given)
    const signal = given['signal'] as AbortSignal
    const done = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(DEAD), { once: true }))
    done.catch(() => {})
    return { on: () => () => {}, snapshot: () => ({}) as never, done, cancel: () => {} }
  }
  const setLimits = async (change: Record<string, unknown>, given: Record<string, unknown>) => {
    if (change['cid'] !== undefined) text(change['cid'])
    options({ ...change, ...given })
    return {}
  }
  const node = {
    share: of(path),
    announced: of(text),
    remove: of(text),
    verify: of(text),
    connect: of(text),
    fetch,
    setLimits
  }
  return { ...node, list: all, status: all, peers: all, limits: all } as unknown as ShoalNode
}

/** The first byte says how the bytes are split. */
export const rpcServer: Target = {
  name: 'rpc-server',
  claims: 'each line is answered once with JSON or the connection is closed; only checked parameters reach the node',
  maxBytes: 4_096,
  seeds: () =>
    texts(`z${REQUESTS.join('\n')}\n`, ...REQUESTS.map(line => `\u0001${line}\n`), `z${'['.repeat(500)}\n`, 'z\n\n'),
  dictionary: [...ODDITIES, ...texts('hello', 'share', 'fetch', 'status', 'setLimits', 'hasOwnProperty', 'toString')],
  run: async input => {
    const socket = new MemorySocket()
    let asked = 0
    const node = strictNode(() => {
      asked += 1
    })
    // a broken claim inside the node comes back as an error answer
    const info = { mode: 'daemon', pid: 1, dataDir: '/data' }
    const connection = new ServerConnection(socket.asSocket(), { node, info, log: silentLogger })
    socket.feed(input.subarray(1), 1 + (input[0] ?? 0))
    await connection.stop(new ShoalError('ERR_NOT_RUNNING', 'the node was stopped'))
    socket.destroy()
    const lines = socket.written.split('\n').slice(0, -1)
    const sent = textOf(input.subarray(1)).split('\n').length
    for (const line of lines) {
      const answer: { id?: unknown; event?: unknown; error?: { code?: unknown; message?: string } } = JSON.parse(line)
      claim('id' in answer, 'an answer without an id')
      if (answer.error === undefined) continue
      claim(answer.error.code !== 'ERR_BUG', `a bug: ${answer.error.message}`)
      claim((answer.error.message ?? '').length < 1_000, 'a long error')
    }
    const answers = lines.filter(line => !line.includes('"event":'))
    claim(answers.length <= sent, `${answers.length} answers to ${sent} lines`)
    claim(asked <= sent && asked <= answers.length + MAX_REQUESTS_PER_CONNECTION, 'asked more than it was told')
  }
}

export const rpcLines: Target = {
  name: 'rpc-lines',
  claims: 'lines are those of the stream whatever the split, none over its limit; none makes the parser throw',
  maxBytes: 2_048,
  seeds: () => texts(`a${REQUESTS.join('\n')}\n`, 'bx\n\ny', '\u0000\n'),
  dictionary: ODDITIES,
  run: input => {
    const step = 1 + (input[0] ?? 0)
    const stream = Buffer.from(input.subarray(1))
    const decoder = new LineDecoder(300)
    const lines: string[] = []
    try {
      for (let at = 0; at < stream.byteLength; at += step) lines.push(...decoder.push(stream.subarray(at, at + step)))
    } catch (err) {
      if (!(err instanceof LineTooLong)) throw err
    }
    const expected = stream
      .toString('latin1')
      .split('\n')
      .slice(0, -1)
      .map(line => Buffer.from(line, 'latin1').toString('utf8'))
    const tooLong = expected.findIndex(
      (_, i) => Buffer.byteLength(stream.toString('latin1').split('\n')[i] ?? '', 'latin1') > 300
    )
    const right = tooLong === -1 ? expected : expected.slice(0, tooLong)
    claim(lines.length <= right.length && lines.every((line, i) => line === right[i]), 'other lines')
    for (const line of lines) parseClientMessage(line)
  }
}

export const rpcClient: Target = {
  name: 'rpc-client',
  claims: 'whatever answers on the socket, a call ends with a result or a declared error, and nothing throws',
  maxBytes: 2_048,
  seeds: () =>
    texts(
      'z{"id":1,"result":{"mode":"daemon","pid":1,"dataDir":"/x"}}\n',
      'z{"id":1,"event":"progress","data":{"bytes":1,"totalBytes":2}}\n{"id":1,"result":null}\n',
      'z{"id":1,"error":{"code":"ERR_NO_PEERS","message":"nobody","hint":"wait","details":{"a":[1]}}}\n',
      'z{"id":null,"error":{"code":"ERR_RPC","message":"bad line"}}\n',
      'z{"id":1,"error":{"code":{"toString":1},"message":[]}}\n'
    ),
  dictionary: ODDITIES,
  run: async input => {
    const socket = new MemorySocket()
    const connection = new ClientConnection(socket.asSocket())
    let error: unknown
    const call = connection.call('list', {}).catch((err: unknown) => {
      error = err
    })
    socket.feed(input.subarray(1), 1 + (input[0] ?? 0))
    connection.close()
    await call
    socket.destroy()
    claim(error === undefined || error instanceof ShoalError, `undeclared: ${String(error)}`)
  }
}
