/** What a command that needs no network loads: it must be there at once, so it loads no network stack. */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const src = fileURLToPath(new URL('../../src', import.meta.url))

/** Packages that a file imports, with all files that it leads to; types and `await import()` do not count. */
function packagesOf(entry: string): Set<string> {
  const packages = new Set<string>()
  const seen = new Set<string>()
  const visit = (file: string) => {
    if (seen.has(file)) return
    seen.add(file)
    const statements = readFileSync(file, 'utf8').matchAll(/^(?:import|export)(?! type)[^;]*?from '([^']+)'/gm)
    for (const [, specifier = ''] of statements) {
      if (specifier.startsWith('.')) visit(resolve(dirname(file), specifier))
      else if (!specifier.startsWith('node:')) packages.add(specifier)
    }
  }
  visit(resolve(src, entry))
  return packages
}

test('help, version and usage errors load the option parser alone', () => {
  expect([...packagesOf('cli/main.ts')]).toEqual(['commander'])
})

test('hash loads no network and no store', () => {
  const packages = [...packagesOf('node/hash-path.ts')]
  expect(packages.filter(name => /libp2p|level|multiaddr/.test(name))).toEqual([])
})

test('a node without a network, as ls and status start one, loads none', () => {
  const packages = [...packagesOf('node/create-node.ts')]
  expect(packages).toContain('classic-level')
  expect(packages.filter(name => /libp2p|dns|noise|yamux/.test(name))).toEqual([])
})

test('parsing a link or CID loads no network and no store', () => {
  expect([...packagesOf('node/sources.ts')].filter(name => /libp2p|level/.test(name))).toEqual([])
})

test('the control socket loads no network', () => {
  expect([...packagesOf('rpc/client.ts'), ...packagesOf('rpc/server.ts')]).toEqual([])
})
