import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { realpath, stat, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import ts from 'typescript'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ShoalError } from '../../src/base/errors.ts'
import { createChunkHasher, LocalHasher, ThreadedHasher } from '../../src/content/chunk-hasher.ts'
import { CHUNK_BYTES } from '../../src/content/file-builder.ts'
import { fingerprintOf, sameFingerprint } from '../../src/content/fingerprint.ts'
import { hashFile } from '../../src/content/hash-file.ts'
import { type Ingested, type IngestProgress, ingest } from '../../src/content/ingest.ts'
import { assembleManifest } from '../../src/content/manifest-assembler.ts'
import { keystream } from '../helpers/keystream.ts'
import { BlockMap, importWith, V1_2025 } from './blocks.ts'

const NOBODY = 65_534
const NO_SUCH_FD = 999_999
const isLinux = process.platform === 'linux'

let dir: string
beforeEach(async () => {
  dir = await realpath(mkdtempSync(join(tmpdir(), 'shoal-ingest-')))
})
afterEach(() => {
  execFileSync('chmod', ['-R', 'u+rwx', dir])
  rmSync(dir, { recursive: true, force: true })
})

const at = (...parts: string[]) => join(dir, ...parts)
const put = (path: string, content: string | Uint8Array = path) => {
  mkdirSync(join(at(path), '..'), { recursive: true })
  writeFileSync(at(path), content)
}
const paths = ({ manifest }: Ingested) => manifest.entries.map(entry => entry.path)

async function failure(promise: Promise<unknown>): Promise<ShoalError> {
  const err = await promise.then(
    () => undefined,
    (reason: unknown) => reason
  )
  expect(err).toBeInstanceOf(ShoalError)
  return err as ShoalError
}

/** Root reads everything: under root, as somebody else. */
async function unprivileged<T>(run: () => Promise<T>): Promise<T> {
  if (process.getuid?.() !== 0) return run()
  chmodSync(dir, 0o755)
  process.seteuid?.(NOBODY)
  try {
    return await run()
  } finally {
    process.seteuid?.(0)
  }
}

function openFiles(): number {
  return isLinux ? readdirSync('/proc/self/fd').length : 0
}

describe('a folder', () => {
  test('has the importer’s root, its blocks in node order, and a fingerprint for each file', async () => {
    put('share/large', keystream(3 * CHUNK_BYTES + 5, 'large'))
    put('share/copy', keystream(3 * CHUNK_BYTES + 5, 'large'))
    put('share/empty', '')
    put('share/ünïcode 😀/a', 'a')
    put('share/.hidden/b', 'b')
    mkdirSync(at('share/nothing'))
    symlinkSync('../elsewhere', at('share/link'))
    const made = await ingest(at('share'))
    const root = await importWith(
      new BlockMap(),
      [
        { path: 's/large', content: keystream(3 * CHUNK_BYTES + 5, 'large') },
        { path: 's/copy', content: keystream(3 * CHUNK_BYTES + 5, 'large') },
        { path: 's/empty', content: new Uint8Array() },
        { path: 's/ünïcode 😀/a', content: Buffer.from('a') },
        { path: 's/.hidden/b', content: Buffer.from('b') },
        { path: 's/nothing' },
        { path: 's/link', link: '../elsewhere' }
      ],
      V1_2025
    )
    expect(made.manifest.root.toString()).toBe(root.toString())
    expect(paths(made)).toEqual([
      '',
      '.hidden',
      '.hidden/b',
      'copy',
      'empty',
      'large',
      'link',
      'nothing',
      'ünïcode 😀',
      'ünïcode 😀/a'
    ])
    expect(assembleManifest(made.manifest.root, made.blocks).entries).toEqual(made.manifest.entries)
    expect(made.manifest.pieces.count).toBe(7)
    expect(made.skipped).toEqual([])
    expect(made.path).toBe(at('share'))
    for (const [index, entry] of made.manifest.entries.entries()) {
      const fingerprint = made.fingerprints.get(index)
      expect(fingerprint !== undefined).toBe(entry.kind === 'file')
      if (fingerprint === undefined) continue
      expect(sameFingerprint(fingerprint, fingerprintOf(await stat(at('share', entry.path), { bigint: true })))).toBe(
        true
      )
    }
  })

  test('without hidden files on request, unless it is named itself', async () => {
    put('.share/.hidden/a')
    put('.share/b')
    put('.share/.c')
    const made = await ingest(at('.share'), { hidden: false })
    expect(paths(made)).toEqual(['', 'b'])
    expect(made.skipped).toEqual([])
  })

  test('skips what is neither file, folder nor link, by name, without opening it', async () => {
    put('share/file')
    execFileSync('mkfifo', [at('share/fifo')])
    const server = await listen(at('share/socket'))
    const made = await ingest(at('share'))
    server.close()
    expect(paths(made)).toEqual(['', 'file'])
    expect(made.skipped).toEqual([
      { path: 'fifo', reason: 'FIFO' },
      { path: 'socket', reason: 'socket' }
    ])
  })

  test('skips what may not be read', async () => {
    put('share/file')
    put('share/secret')
    put('share/closed/file')
    chmodSync(at('share/secret'), 0)
    chmodSync(at('share/closed'), 0)
    const made = await unprivileged(() => ingest(at('share')))
    expect(paths(made)).toEqual(['', 'file'])
    expect(made.skipped).toEqual([
      { path: 'closed', reason: 'no permission' },
      { path: 'secret', reason: 'no permission' }
    ])
  })

  test.runIf(isLinux)('skips names that are not UTF-8, and shows them', async () => {
    put('share/file')
    writeFileSync(Buffer.concat([Buffer.from(at('share/b')), Buffer.of(0xe4), Buffer.from('r')]), 'latin-1')
    symlinkSync(Buffer.of(0xff), at('share/link'))
    const made = await ingest(at('share'))
    expect(paths(made)).toEqual(['', 'file'])
    expect(made.skipped).toEqual([
      { path: 'b\\xe4r', reason: 'name is not UTF-8' },
      { path: 'link', reason: 'symbolic link to a name that is not UTF-8' }
    ])
  })

  test('stores symbolic links, loops and broken ones included, and follows none', async () => {
    put('share/sub/file')
    symlinkSync('..', at('share/sub/up'))
    symlinkSync('loop', at('share/loop'))
    symlinkSync('/nowhere', at('share/broken'))
    const made = await ingest(at('share'))
    expect(made.manifest.entries.filter(entry => entry.kind === 'symlink')).toEqual([
      { kind: 'symlink', path: 'broken', target: '/nowhere' },
      { kind: 'symlink', path: 'loop', target: 'loop' },
      { kind: 'symlink', path: 'sub/up', target: '..' }
    ])
  })

  test('leaves out a file that keeps growing, and shares the rest', async () => {
    put('share/calm')
    put('share/log', '')
    truncateSync(at('share/log'), 24 * CHUNK_BYTES)
    const writer = setInterval(() => appendFileSync(at('share/log'), 'x'), 0)
    const made = await ingest(at('share')).finally(() => clearInterval(writer))
    expect(made.skipped).toEqual([{ path: 'log', reason: 'changed while it was read' }])
    expect(paths(made)).toEqual(['', 'calm'])
    expect(made.fingerprints.size).toBe(1)
  })
})

describe('a path', () => {
  test('that is a small file gives a raw root without blocks', async () => {
    put('file', 'hello world')
    const made = await ingest(at('file'))
    expect(made.manifest.root.toString()).toBe('bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e')
    expect(made.blocks).toEqual([])
    expect(made.manifest.entries).toEqual([{ kind: 'file', path: '', size: 11, firstSpan: 0, spanCount: 1 }])
    expect(made.fingerprints.get(0)?.size).toBe(11)
  })

  test('that is a link is followed', async () => {
    put('real/file', 'hello world')
    symlinkSync('real', at('alias'))
    symlinkSync('alias/file', at('other'))
    expect((await ingest(at('alias'))).path).toBe(at('real'))
    expect((await ingest(at('other'))).path).toBe(at('real/file'))
  })

  test('that is missing, below a file, a broken link, or a loop', async () => {
    put('file')
    symlinkSync('nowhere', at('broken'))
    symlinkSync('loop', at('loop'))
    expect((await failure(ingest(at('missing')))).code).toBe('ERR_PATH_NOT_FOUND')
    expect((await failure(ingest(at('file/x')))).code).toBe('ERR_PATH_NOT_FOUND')
    expect((await failure(ingest(at('broken')))).code).toBe('ERR_PATH_NOT_FOUND')
    expect((await failure(ingest(at('loop')))).code).toBe('ERR_SYMLINK_LOOP')
  })

  test('that is a FIFO, a socket or a device is refused and never opened', async () => {
    execFileSync('mkfifo', [at('fifo')])
    const server = await listen(at('socket'))
    for (const path of [at('fifo'), at('socket'), '/dev/null']) {
      expect((await failure(ingest(path))).code).toBe('ERR_NOT_FILE_OR_FOLDER')
    }
    server.close()
  })

  test('that may not be read', async () => {
    put('secret')
    chmodSync(at('secret'), 0)
    mkdirSync(at('closed'), 0o000)
    expect((await failure(unprivileged(() => ingest(at('secret'))))).code).toBe('ERR_NO_PERMISSION')
    expect((await failure(unprivileged(() => ingest(at('closed'))))).code).toBe('ERR_NO_PERMISSION')
  })

  test('that keeps growing', async () => {
    put('log', '')
    truncateSync(at('log'), 24 * CHUNK_BYTES)
    const writer = setInterval(() => appendFileSync(at('log'), 'x'), 0)
    const err = await failure(ingest(at('log')).finally(() => clearInterval(writer)))
    expect(err.code).toBe('ERR_FILE_CHANGED')
    expect(err.message).toContain(at('log'))
  })
})

describe('hashing one file', () => {
  const context = (onBytes: (bytes: number) => void = () => {}) => ({
    hasher: createChunkHasher(0),
    sink: () => {},
    onBytes
  })

  test('begins again where the file changed once, and takes back the progress', async () => {
    put('file', keystream(3 * CHUNK_BYTES, 'once'))
    let bytes = 0
    let changed = false
    const hashed = await hashFile(
      at('file'),
      context(got => {
        bytes += got
        if (!changed) appendFileSync(at('file'), 'more')
        changed = true
      })
    )
    expect(hashed.link.fileSize).toBe(3 * CHUNK_BYTES + 4)
    expect(bytes).toBe(3 * CHUNK_BYTES + 4)
  })

  test('notices a file that shrinks, and one that keeps its size', async () => {
    put('shrinks', keystream(8 * CHUNK_BYTES, 's'))
    let size = 8 * CHUNK_BYTES
    const shrinking = hashFile(
      at('shrinks'),
      context(got => {
        size -= 1000
        if (got > 0) truncateSync(at('shrinks'), size)
      })
    )
    expect((await failure(shrinking)).code).toBe('ERR_FILE_CHANGED')
    put('same', keystream(2 * CHUNK_BYTES, 's'))
    let n = 0
    const rewritten = hashFile(
      at('same'),
      context(() => writeFileSync(at('same'), keystream(2 * CHUNK_BYTES, `s${n++}`)))
    )
    expect((await failure(rewritten)).code).toBe('ERR_FILE_CHANGED')
  })

  test('follows no symbolic link and waits for no FIFO', async () => {
    put('file')
    symlinkSync('file', at('link'))
    execFileSync('mkfifo', [at('fifo')])
    expect((await failure(hashFile(at('link'), context()))).code).toBe('ERR_FILE_CHANGED')
    expect((await failure(hashFile(at('fifo'), context()))).code).toBe('ERR_FILE_CHANGED')
  })
})

/** The worker as tsc compiles it: this process cannot load TypeScript into a thread. */
function startThread(): Worker {
  const out = at('compiled')
  for (const file of ['content/hash-worker', 'base/polyfill', 'base/errors']) {
    const source = readFileSync(new URL(`../../src/${file}.ts`, import.meta.url), 'utf8')
    const { outputText } = ts.transpileModule(source, {
      compilerOptions: {
        module: ts.ModuleKind.ESNext,
        target: ts.ScriptTarget.ES2023,
        verbatimModuleSyntax: true,
        rewriteRelativeImportExtensions: true
      }
    })
    put(`compiled/${file}.js`, outputText)
  }
  put('compiled/package.json', '{"type":"module"}')
  return new Worker(join(out, 'content/hash-worker.js'))
}

test('threads and this one give the same digests, and find the same end', async () => {
  put('file', keystream(3 * CHUNK_BYTES + 200_000, 'threads'))
  const fd = openSync(at('file'), 'r')
  const [here, threads] = [new LocalHasher(), new ThreadedHasher(new LocalHasher(), startThread)]
  for (const [position, length] of [
    [0, CHUNK_BYTES],
    [CHUNK_BYTES, 5],
    [3 * CHUNK_BYTES, 200_000],
    [3 * CHUNK_BYTES, 200_001],
    [9 * CHUNK_BYTES, CHUNK_BYTES]
  ] as const) {
    const wanted = await here.hashChunk(fd, position, length)
    const got = await threads.hashChunk(fd, position, length)
    expect(wanted === undefined).toBe(position + length > 3 * CHUNK_BYTES + 200_000)
    expect(got && Buffer.from(got).toString('hex')).toBe(wanted && Buffer.from(wanted).toString('hex'))
  }
  closeSync(fd)
  for (const hasher of [here, threads]) {
    await expect(hasher.hashChunk(NO_SUCH_FD, 0, CHUNK_BYTES)).rejects.toMatchObject({ code: 'EBADF' })
    await hasher.close()
  }
})

test('tells its progress, to the end', async () => {
  put('share/a', keystream(3 * CHUNK_BYTES, 'a'))
  put('share/b', 'bb')
  const seen: IngestProgress[] = []
  await ingest(at('share'), { onProgress: progress => seen.push(progress) })
  expect(seen.at(-1)).toEqual({ bytes: 3 * CHUNK_BYTES + 2, totalBytes: 3 * CHUNK_BYTES + 2, files: 2 })
  for (const { bytes, totalBytes } of seen) expect(bytes).toBeLessThanOrEqual(totalBytes)
})

test('stops when told to, and leaves no file open', async () => {
  put('large', '')
  truncateSync(at('large'), 64 * CHUNK_BYTES)
  await writeFile(at('small'), 'x')
  const before = openFiles()
  for (const path of [at('large'), dir]) {
    const controller = new AbortController()
    const running = ingest(path, {
      signal: controller.signal,
      onProgress: () => controller.abort()
    })
    expect((await failure(running)).code).toBe('ERR_ABORTED')
  }
  expect((await failure(ingest(dir, { signal: AbortSignal.abort() }))).code).toBe('ERR_ABORTED')
  expect(openFiles()).toBe(before)
})

function listen(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(path, () => resolve(server))
  })
}
