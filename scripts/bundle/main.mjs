/**
 * Last step of `npm run build`: puts the command line and all it needs into a few files of `dist/cli`, because finding,
 * reading and compiling 700 small modules is most of a start (docs/performance.md). What an embedder imports,
 * `dist/index.js`, stays as tsc made it, so that it shares libp2p's classes with the program that embeds it; who uses
 * none of them and starts often imports the same from the bundle, `shoal/bundled`.
 *
 * Names and lines are kept: a stack trace says where in which chunk, and the function's name finds it in src/.
 */
import { chmod, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import { licencesOf } from './licences.mjs'
import { leaveNative, packPrefixes } from './plugins.mjs'

const dist = fileURLToPath(new URL('../../dist', import.meta.url))
/** As deep as what it replaces: the version is read from ../../package.json. */
const program = join(dist, 'cli')
const made = join(dist, 'bundle')

/** Threads are started by the name of a file beside their chunk. */
const workers = (await readdir(dist, { recursive: true })).filter(path => path.endsWith('-worker.js'))

const bundle = await rolldown({
  input: {
    main: join(program, 'main.js'),
    bundled: join(dist, 'index.js'),
    // the benchmark's driver is to run as the program does
    'tune-runtime': join(program, 'tune-runtime.js'),
    ...Object.fromEntries(workers.map(path => [basename(path, '.js'), join(dist, path)]))
  },
  platform: 'node',
  plugins: [leaveNative(), packPrefixes()],
  onLog: (level, { message }) => {
    if (level === 'warn') throw new Error(message)
  }
})
const { output } = await bundle.write({
  dir: made,
  format: 'esm',
  entryFileNames: '[name].js',
  chunkFileNames: '[name].js',
  comments: false
})
await bundle.close()

const chunks = output.filter(part => part.type === 'chunk')
const names = new Set(chunks.map(({ fileName }) => fileName))
for (const { fileName, code } of chunks) {
  for (const [, worker = ''] of code.matchAll(/new URL\(["'`]\.\/([^"'`]+)["'`], *import\.meta\.url\)/g)) {
    if (!names.has(worker))
      throw new Error(`${fileName} starts ${worker}, which is no entry of the bundle: call it …-worker.ts`)
  }
}
const modules = chunks.flatMap(({ moduleIds }) => moduleIds)
await writeFile(join(made, 'LICENSES.txt'), await licencesOf(modules))
await rm(program, { recursive: true })
await rename(made, program)
await chmod(join(program, 'main.js'), 0o755)
