/** The lockfile pins versions and hashes, and leaves it to each machine where packages are downloaded from. */
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const lockfile = JSON.parse(read('package-lock.json'))
const manifest = JSON.parse(read('package.json'))

it('holds no download address', () => {
  expect(Object.entries(lockfile.packages).filter(([, entry]) => Object.hasOwn(entry as object, 'resolved'))).toEqual(
    []
  )
  // Pages that ask for funding are the only addresses in it.
  const addresses = Object.values(lockfile.packages as Record<string, object>)
    .map(entry => JSON.stringify({ ...entry, funding: undefined }))
    .filter(entry => /https?:\/\//.test(entry))
  expect(addresses).toEqual([])
  expect(read('.npmrc')).toMatch(/^omit-lockfile-registry-resolved=true$/m)
})

it('pins every package by its hash', () => {
  const unpinned = Object.entries(lockfile.packages as Record<string, { integrity?: string }>)
    .filter(([path, { integrity }]) => path !== '' && !/^sha512-/.test(integrity ?? ''))
    .map(([path]) => path)
  expect(unpinned).toEqual([])
  expect(Object.keys(lockfile.packages).length).toBeGreaterThan(100)
})

it("names every platform's optional packages, without which npm ci refuses", () => {
  const entries = Object.entries(lockfile.packages as Record<string, { optionalDependencies?: Record<string, string> }>)
  const missing = entries.flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies)
      .filter(
        name =>
          (lockfile.packages[`${path}/node_modules/${name}`] ?? lockfile.packages[`node_modules/${name}`]) === undefined
      )
      .map(name => `${path}: ${name}`)
  )
  expect(missing).toEqual([])
})

it('belongs to package.json, which names exact versions', () => {
  const own = lockfile.packages['']
  for (const group of ['dependencies', 'devDependencies'] as const) {
    expect(own[group]).toEqual(manifest[group])
    for (const [name, version] of Object.entries(manifest[group]))
      expect(`${name} ${version}`).toMatch(/ \d+\.\d+\.\d+$/)
  }
  expect(own.version).toBe(manifest.version)
})
