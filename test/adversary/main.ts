/**
 * One hostile peer as a process of its own, for measurements: `node main.js KIND LINK PIECES`. It attacks the seeder of
 * the link, and whoever comes to where it listens, at a bounded rate and again a moment after it was ended. Prints
 * `{"event":"ready","addr"}`, and the kinds that it knows where KIND is `list`.
 */
import { generateKeyPair } from '@libp2p/crypto/keys'
import { silentLogger } from '../../src/base/log.ts'
import { MIB } from '../../src/base/units.ts'
import { parseSource } from '../../src/content/link.ts'
import { createHost } from '../../src/node/host/create-host.ts'
import type { Attack } from './attack.ts'
import { AttackStream, attack } from './attacker.ts'
import { ATTACKS } from './attacks.ts'
import { floodDht } from './dht-flood.ts'
import { halfOpen, STAGES } from './half-open.ts'
import { MUXER_ATTACKS } from './muxer-attacks.ts'
import { rawDialer } from './raw-connection.ts'

/** Between two strokes of a flood, and between two attempts. */
const PACE_MS = 20
const AGAIN_MS = 1000
/** Silent connections in one attempt. */
const SILENT_AT_ONCE = 32

interface Target {
  readonly cid: string
  readonly addr: string
  readonly pieceCount: number
}

/** Begins, and says where whoever fetches can be attacked; undefined: only the seeder is. */
type Begin = (target: Target) => Promise<string | undefined>

const again = (act: () => Promise<void>) => {
  const turn = () => {
    act().then(
      () => setTimeout(turn, AGAIN_MS),
      () => setTimeout(turn, AGAIN_MS)
    )
  }
  turn()
}

/** Who is banned comes again under another name. */
const makeHost = async (listen: string[]) =>
  await createHost({ privateKey: await generateKeyPair('Ed25519'), listen, log: silentLogger })

const onSessions =
  (kind: Attack): Begin =>
  async ({ cid, addr, pieceCount }) => {
    const aim = { cid, pieceCount, pieceBytes: MIB }
    const listening = await makeHost(['/ip4/127.0.0.1/tcp/0'])
    await listening.dialer.onStream(stream => kind.run(new AttackStream(stream, PACE_MS), aim))
    again(async () => {
      const host = await makeHost([])
      const stream = await attack(host, addr, PACE_MS)
      kind.run(stream, aim)
      if (stream.isOpen) await new Promise<void>(resolve => (stream.onClosed = resolve))
      await host.stop()
    })
    return listening.addrs()[0]
  }

const KINDS = new Map<string, Begin>([
  ...ATTACKS.map(kind => [kind.name, onSessions(kind)] as const),
  ...MUXER_ATTACKS.map(({ name, run }): [string, Begin] => [
    name,
    async ({ addr }) => {
      again(async () => {
        const dialer = await rawDialer()
        const connection = await dialer.dial(addr, PACE_MS)
        run(connection)
        while (!connection.isClosed) await new Promise(resolve => setTimeout(resolve, PACE_MS))
        await dialer.stop()
      })
      return undefined
    }
  ]),
  [
    'a flood of DHT questions',
    async ({ addr }) => {
      again(async () => {
        const host = await makeHost([])
        const flood = await floodDht(host, addr, { streams: 4, ahead: 1000, paceMs: PACE_MS })
        while (!flood.isOver) await new Promise(resolve => setTimeout(resolve, PACE_MS))
        await host.stop()
      })
      return undefined
    }
  ],
  [
    'connections that are silent',
    async ({ addr }) => {
      again(async () => {
        for (let at = 0; at < SILENT_AT_ONCE; at++) {
          await halfOpen(addr, STAGES[at % STAGES.length]?.bytes ?? new Uint8Array(0))
        }
      })
      return undefined
    }
  ],
  [
    'handshakes without end',
    async ({ addr }) => {
      again(async () => {
        const dialer = await rawDialer()
        for (let at = 0; at < 4; at++) (await dialer.dial(addr)).abort()
        await dialer.stop()
      })
      return undefined
    }
  ]
])

const say = (line: object) => console.log(JSON.stringify(line))
const [name = '', link = '', pieces = ''] = process.argv.slice(2)
const begin = KINDS.get(name)
if (name === 'list') say({ event: 'kinds', kinds: [...KINDS.keys()] })
else if (begin === undefined) {
  console.error(`no such attack: ${name}; list names them`)
  process.exitCode = 2
} else {
  process.on('SIGTERM', () => process.exit(0))
  // what one attempt of many ends with is of no interest
  process.on('unhandledRejection', () => {})
  const { cid, peers } = parseSource(link)
  const addr = await begin({ cid: cid.toString(), addr: peers[0] ?? '', pieceCount: Number(pieces) })
  say({ event: 'ready', addr })
}
