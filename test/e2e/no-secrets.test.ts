/** What a node logs and prints at its most talkative holds neither its key nor what is in the files. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { Lab, LOOPBACK } from '../helpers/cli.ts'
import { requireBuild } from '../project/built.ts'

/** Of a key file: its protobuf header, then the seed, then the public key, which is no secret. */
const SEED_AT = 4
const SEED_BYTES = 32

let lab: Lab
beforeAll(requireBuild)
beforeEach(() => {
  lab = new Lab()
})
afterEach(() => lab.close())

/** A part of the seed in each form in which bytes get into text. */
function formsOf(dataDir: string): string[] {
  const seed = readFileSync(join(dataDir, 'key')).subarray(SEED_AT, SEED_AT + SEED_BYTES)
  // whatever comes before it, base64 is the same from one of three offsets on
  const base64 = [0, 1, 2].map(skip => seed.subarray(skip, skip + 15))
  return [
    seed.subarray(0, 8).toString('hex'),
    ...base64.flatMap(part => [part.toString('base64'), part.toString('base64url')]),
    ...[',', ', ', ' '].map(between => [...seed.subarray(0, 6)].join(between)),
    seed.subarray(0, 8).toString('latin1')
  ]
}

it('neither while it starts, shares and fetches, nor of a key that is damaged', async () => {
  const content = 'this is in the file and nowhere else'
  writeFileSync(lab.path('file.txt'), content.repeat(100))
  const common = (name: string) => ['--json', '--log', 'trace', '--data-dir', lab.path(name), '--listen', LOOPBACK]
  const sharer = lab.cli(['share', 'file.txt', ...common('a')])
  const link = String((await sharer.event('shared'))['link'])
  const getter = lab.cli(['get', link, '-o', 'copy.txt', ...common('b')])
  expect(await getter.exited, getter.stderr).toBe(0)
  const secrets = [...formsOf(lab.path('a')), ...formsOf(lab.path('b')), content]
  await sharer.stop()
  const key = readFileSync(join(lab.path('a'), 'key'))
  writeFileSync(join(lab.path('a'), 'key'), key.subarray(0, -1))
  const damaged = lab.cli(['share', 'file.txt', ...common('a')])
  expect(await damaged.exited).not.toBe(0)
  for (const { stderr, stdout } of [sharer, getter, damaged]) {
    expect(stderr.length).toBeGreaterThan(80)
    expect(secrets.filter(secret => stderr.includes(secret) || stdout.includes(secret))).toEqual([])
  }
})
