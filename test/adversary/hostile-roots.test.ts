/** A node that serves a root made to harm: the fetch ends with a reason, and nothing is written anywhere. */
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { exitCodeOf } from '../../src/cli/exit-code.ts'
import { DEFAULT_MANIFEST_LIMITS, MAX_PATH_BYTES } from '../../src/content/manifest-limits.ts'
import type { ShoalError } from '../../src/index.ts'
import { eachWithLab, type NodeLab } from '../helpers/node-lab.ts'
import { addrOf, host } from '../node/host/test-hosts.ts'
import { file, folder, leaf, nodesOf, type Part, serveNodes, symlink } from './hostile-roots.ts'

let lab: NodeLab
eachWithLab(made => {
  lab = made
})

const NO_MATCH = 4
const one = leaf(new Uint8Array(1000).fill(7))

/** `deep` of it within each other. @param wrap what is put around it */
function nested(deep: number, wrap: (part: Part) => Part, core: Part = one): Part {
  let part = core
  for (let at = 0; at < deep; at++) part = wrap(part)
  return part
}

const many = (count: number, part: Part) => Array.from({ length: count }, () => part)
const named = (...names: string[]) => folder(names.map(name => [name, one]))

const MALFORMED: ReadonlyArray<readonly [what: string, limit: string, root: () => Part, says: RegExp]> = [
  [
    'a file of gigantic depth',
    'depth',
    () => nested(DEFAULT_MANIFEST_LIMITS.depth + 1, part => file([part, one], [5n << 20n, 1000n])),
    /more than 4096 levels/
  ],
  [
    'folders of gigantic depth',
    'depth',
    () => nested(DEFAULT_MANIFEST_LIMITS.depth + 1, part => folder([['a', part]])),
    /more than 4096 levels/
  ],
  [
    'a path that no system takes',
    'MAX_PATH_BYTES',
    () => nested(MAX_PATH_BYTES / 200, part => folder([['n'.repeat(250), part]])),
    /a path of 4\d+ bytes/
  ],
  ['a bomb of identical leaves', 'repeats', () => nested(4, part => file(many(256, part))), /by repetition/],
  [
    'a bomb of identical folders',
    'repeatedBytes',
    () =>
      nested(24, part =>
        folder([
          ['a', part],
          ['b', part]
        ])
      ),
    /repeated without end/
  ],
  [
    'a bomb of empty folders',
    'repeatedBytes',
    () =>
      nested(
        24,
        part =>
          folder([
            ['a', part],
            ['b', part]
          ]),
        folder([])
      ),
    /repeated without end/
  ],
  [
    'a bomb of empty files',
    'repeats',
    () => nested(4, part => folder(Array.from({ length: 100 }, (_, at) => [`${at}`, part]))),
    /by repetition/
  ],
  ['a leaf of a gigantic size', 'a leaf is 2 MiB', () => file([one], [1n << 50n]), /a piece of/],
  ['a size beyond all numbers', '2^53', () => file([one], [(1n << 63n) - 1n]), /more than 53 bits/],
  ['fewer sizes than leaves', 'a size a leaf', () => file([one, one], [1000n]), /size/],
  ['the name ..', 'isSafeName', () => named('..'), /name/],
  ['the name .', 'isSafeName', () => named('.'), /name/],
  ['no name', 'isSafeName', () => named(''), /name/],
  ['a name with a slash', 'isSafeName', () => named('a/../../escaped'), /name/],
  ['an absolute name', 'isSafeName', () => named('/tmp/escaped'), /name/],
  ['a name with NUL', 'isSafeName', () => named('a\0b'), /name/],
  ['a name of 300 bytes', 'MAX_NAME_BYTES', () => named('n'.repeat(300)), /name/],
  ['a name twice', 'once', () => named('same', 'same'), /twice|name/],
  ['a symbolic link to nowhere', 'a target', () => folder([['a', symlink('')]]), /without a usable target/],
  [
    'a folder below a file',
    'files hold leaves',
    () => file([folder([['a', one]])], [5n << 20n]),
    /a directory within a file/
  ],
  ['a symbolic link below a file', 'files hold leaves', () => file([symlink('x')], [1n]), /a symlink within a file/]
]

async function fetch(root: Part, nodes = nodesOf(root)) {
  const from = await host()
  const streams = await serveNodes(from, root.cid, nodes)
  const getter = await lab.start('getter', { peers: [addrOf(from)] })
  const banned: string[] = []
  getter.on('peer:banned', ({ peerId }) => banned.push(peerId))
  mkdirSync(join(lab.dir, 'out'))
  const to = join(lab.dir, 'out', 'got')
  const failure = await getter.fetch(root.cid.toString(), { to, timeoutMs: 10_000 }).done.then(
    () => undefined,
    (err: ShoalError) => err
  )
  return { failure, banned, from, streams, getter }
}

/** Nothing beside what the lab put there. */
function expectNothingWritten(): void {
  expect(readdirSync(join(lab.dir, 'out'))).toEqual([])
  expect(readdirSync(lab.dir).sort()).toEqual(['getter', 'out'])
}

it.each(MALFORMED)('%s (%s) is malformed, whoever serves it', async (_what, _limit, root, says) => {
  const before = process.memoryUsage().rss
  const { failure, banned, getter } = await fetch(root())
  expect(failure).toMatchObject({ code: 'ERR_MALFORMED_ROOT', message: expect.stringMatching(says) })
  expect(exitCodeOf(failure)).toBe(NO_MATCH)
  expect(banned).toEqual([])
  expect(await getter.list()).toEqual([])
  expectNothingWritten()
  expect(process.memoryUsage().rss - before).toBeLessThan(400 * 2 ** 20)
})

it('a cycle cannot be hashed: who serves its own root as a child is banned', async () => {
  const child = folder([['a', one]])
  const root = folder([['again', child]])
  const { failure, banned, from, streams } = await fetch(root, [root.block, root.block])
  expect(banned).toEqual([from.peerId])
  expect(streams[0]?.goodbye).toBe('badData')
  expect(exitCodeOf(failure)).toBe(NO_MATCH)
  expectNothingWritten()
})

it('symbolic links that lead outside are not made, and are named', async () => {
  const content = folder([
    ['absolute', symlink('/etc/passwd')],
    ['up', symlink('../../escaped')]
  ])
  const from = await host()
  await serveNodes(from, content.cid, nodesOf(content))
  const getter = await lab.start('getter', { peers: [addrOf(from)] })
  const to = join(lab.dir, 'out')
  const { skipped } = await getter.fetch(content.cid.toString(), { to, timeoutMs: 10_000 }).done
  expect(skipped.map(({ path }) => path).sort()).toEqual(['absolute', 'up'])
  expect(readdirSync(to)).toEqual([])
})
