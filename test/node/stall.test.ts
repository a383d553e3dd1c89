import { expect, it } from 'vitest'
import { explainStall, type StallFacts } from '../../src/node/stall.ts'

const ALONE: StallFacts = {
  cid: 'bafkrei',
  timeoutMs: 20_000,
  connections: 0,
  lookup: { asked: 0, answered: 0, failed: 0 },
  providers: 0,
  failures: new Map(),
  unreachable: new Map(),
  sessions: 0,
  manifestKnown: false,
  missingPieces: 0,
  pieces: 0,
  falsePieces: 0,
  banned: 0
}

it('tells who named nobody to name somebody', () => {
  expect(explainStall(ALONE).hint).toContain('use a link')
})

it('tells who used a link that led nowhere what the other side may lack', () => {
  const addr = '/ip4/192.168.1.11/tcp/4160'
  const error = explainStall({ ...ALONE, unreachable: new Map([[addr, `cannot reach ${addr}: timed out`]]) })
  expect(error.code).toBe('ERR_NO_PEERS')
  expect(error.message).toContain(addr)
  expect(error.hint).toContain('behind a NAT needs a forwarded port')
  expect(error.hint).not.toContain('use a link')
})
