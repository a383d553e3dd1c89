/**
 * The package as a user gets it: what is in it, and that it works when installed into an empty project. Installing
 * asks the registry for the dependencies; where that cannot be reached, npm's own message is what fails here.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkout, requireBuild } from './built.ts'
import { succeed } from './run.ts'

const INSTALL_TIMEOUT_MS = 180_000
const manifest = JSON.parse(readFileSync(`${checkout}/package.json`, 'utf8'))
let folder = ''
let packed: { filename: string; files: Array<{ path: string; size: number; mode: number }>; unpackedSize: number }

beforeAll(async () => {
  requireBuild()
  folder = mkdtempSync(join(tmpdir(), 'shoal-pack-'))
  // Without scripts: `prepare` would build again, under the feet of the other tests.
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder]
  const [only] = JSON.parse(await succeed('npm', args, { cwd: checkout, timeoutMs: 120_000 }))
  packed = only
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the package', () => {
  const ALLOWED =
    /^(package\.json|README\.md|CHANGELOG\.md|SECURITY\.md|LICENSE(-APACHE|-MIT)?|docs\/[a-z-]+\.md|dist\/cli\/LICENSES\.txt|dist\/.+\.(js|d\.ts))$/

  it('contains what an installer needs', () => {
    const paths = packed.files.map(({ path }) => path)
    for (const wanted of ['package.json', 'README.md', 'CHANGELOG.md', 'LICENSE', 'LICENSE-APACHE', 'LICENSE-MIT']) {
      expect(paths).toContain(wanted)
    }
    for (const wanted of ['dist/index.js', 'dist/index.d.ts', 'dist/cli/main.js', 'docs/architecture.md']) {
      expect(paths).toContain(wanted)
    }
  })

  it('contains nothing else', () => {
    const paths = packed.files.map(({ path }) => path)
    expect(paths.filter(path => !ALLOWED.test(path))).toEqual([])
    expect(paths.filter(path => /\btests?\b|\.test\.|\.map$/.test(path))).toEqual([])
    expect(packed.unpackedSize).toBeLessThan(4_500_000)
  })

  it('says where its parts are', () => {
    const paths = packed.files.map(({ path }) => path)
    const named = [
      manifest.main,
      manifest.types,
      manifest.bin.shoal,
      ...Object.values(manifest.exports['.']),
      ...manifest.sideEffects
    ]
    expect(named.map(path => String(path).replace('./', '')).filter(path => !paths.includes(path))).toEqual([])
  })
})

describe('installed into an empty project', () => {
  let project = ''
  const EMBEDDING = `import { createNode, ShoalError, type ShoalNode } from 'shoal'

const [dataDir = ''] = process.argv.slice(2)
const node: ShoalNode = await createNode({ dataDir, listen: ['/ip4/127.0.0.1/tcp/0'] })
await node.start()
const peerId: string = node.peerId
if (!node.addrs.every(addr => addr.endsWith(peerId))) throw new ShoalError('ERR_BUG', 'addresses without a peer ID')
const { roots } = await node.status()
await node.stop()
console.log('stopped with', roots.length, 'roots')
`

  beforeAll(async () => {
    project = join(folder, 'project')
    mkdirSync(project)
    writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'empty', private: true, type: 'module' }))
    const args = [
      'install',
      join(folder, packed.filename),
      '--prefer-offline',
      '--no-audit',
      '--no-fund',
      '--loglevel=error'
    ]
    await succeed('npm', args, { cwd: project, timeoutMs: INSTALL_TIMEOUT_MS })
  }, INSTALL_TIMEOUT_MS + 5000)

  it('its program runs', async () => {
    const version = await succeed('npx', ['--no-install', 'shoal', '--version'], { cwd: project, timeoutMs: 120_000 })
    expect(version.trim()).toBe(manifest.version)
  })

  it.each([true, false])('its types are right in a strict program, skipLibCheck %s', async skipLibCheck => {
    writeFileSync(join(project, 'embed.ts'), EMBEDDING)
    writeFileSync(
      join(project, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          ...{ target: 'ES2023', module: 'NodeNext', moduleResolution: 'NodeNext', strict: true, skipLibCheck },
          ...{ exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, verbatimModuleSyntax: true },
          ...{ types: ['node'], typeRoots: [`${checkout}/node_modules/@types`], outDir: 'built' }
        },
        files: ['embed.ts']
      })
    )
    const tsc = `${checkout}/node_modules/typescript/bin/tsc`
    await succeed(process.execPath, [tsc, '-p', '.'], { cwd: project, timeoutMs: 120_000 })
  })

  it('a node of it starts and stops, and lets the process end', async () => {
    const args = [join(project, 'built/embed.js'), join(folder, 'data')]
    expect(await succeed(process.execPath, args, { cwd: project, timeoutMs: 120_000 })).toBe('stopped with 0 roots\n')
  })
})
