import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { realpath, stat, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ShoalError } from '../../src/base/errors.ts'
import { LocalHasher, ThreadedHasher } from '../../src/content/chunk-hasher.ts'
import { CHUNK_BYTES } from '../../src/content/file-builder.ts'
import { fingerprintOf, sameFingerprint } from '../../src/content/fingerprint.ts'
import { hashFile } from '../../src/content/hash-file.ts'
import { HashJournal } from '../../src/content/hash-journal.ts'
import { batchSmallFiles, hashBatch } from '../../src/content/hash-small-files.ts'
import { type Ingested, type IngestProgress, ingest } from '../../src/content/ingest.ts'
import { assembleManifest } from '../../src/content/manifest-assembler.ts'
import { keystream } from '../helpers/keystream.ts'
import { BlockMap, importWith, V1_2025 } from './blocks.ts'
import { hereAsThread } from './disk/here-as-thread.ts'

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
    hasher: new LocalHasher(),
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

test('threads and this one give the same digests, and find the same end', async () => {
  put('file', keystream(3 * CHUNK_BYTES + 200_000, 'threads'))
  const fd = openSync(at('file'), 'r')
  const [here, threads] = [new LocalHasher(), new ThreadedHasher(hereAsThread)]
  for (const [position, length] of [
    [0, CHUNK_BYTES],
    [0, 3 * CHUNK_BYTES + 200_000],
    [CHUNK_BYTES, 5],
    [CHUNK_BYTES, 2 * CHUNK_BYTES + 1],
    [3 * CHUNK_BYTES, 200_000],
    [3 * CHUNK_BYTES, 200_001],
    [9 * CHUNK_BYTES, CHUNK_BYTES]
  ] as const) {
    const wanted = await here.hashGroup(fd, position, length)
    const got = await threads.hashGroup(fd, position, length)
    expect(wanted === undefined).toBe(position + length > 3 * CHUNK_BYTES + 200_000)
    expect(got && Buffer.from(got).toString('hex')).toBe(wanted && Buffer.from(wanted).toString('hex'))
  }
  closeSync(fd)
  for (const hasher of [here, threads]) {
    await expect(hasher.hashGroup(NO_SUCH_FD, 0, CHUNK_BYTES)).rejects.toMatchObject({ code: 'EBADF' })
  }
})

test.skipIf(!isLinux)('a file that has more bytes than its size says is not taken for an empty one', async () => {
  const err = await failure(ingest('/proc/version'))
  expect(err.code).toBe('ERR_FILE_CHANGED')
  expect(err.message).toBe('/proc/version has more bytes than its size says, 0')
  const failed: string[] = []
  const context = { hasher: new LocalHasher(), sink: () => {}, onBytes: () => {} }
  const result = { onHashed: () => {}, onFailed: (path: string) => void failed.push(path) }
  const batch = [{ kind: 'file', name: 'version', path: 'version', size: 0 }] as const
  await hashBatch(hereAsThread, { base: '/proc', batch }, context, result)
  expect(failed).toEqual(['version'])
})

describe('the data folder', () => {
  beforeEach(() => {
    put('home/a.txt')
    put('home/data/key', 'secret')
    put('home/data/cache/b.txt', 'b')
  })

  test.each(['home/data', 'link', 'home/sub/../data'])('is left out wherever it is, named as %s', async name => {
    mkdirSync(at('home/sub'))
    symlinkSync(at('home/data'), at('link'))
    const ingested = await ingest(at('home'), { dataDir: at(name) })
    expect(paths(ingested)).toEqual(['', 'a.txt', 'sub'])
    expect(ingested.skipped).toEqual([{ path: 'data', reason: "this node's data folder" }])
  })

  test('is left out of a folder that is reached through a link', async () => {
    symlinkSync(at('home'), at('elsewhere'))
    expect(paths(await ingest(at('elsewhere'), { dataDir: at('home/data') }))).toEqual(['', 'a.txt'])
  })

  test('that is not there leaves nothing out', async () => {
    expect((await ingest(at('home'), { dataDir: at('absent/data') })).skipped).toEqual([])
  })

  test('is refused by itself and below, but for its cache', async () => {
    put('home/data/store/x')
    put('home/data/store/cache/x')
    symlinkSync(at('home/data/key'), at('key'))
    const options = { dataDir: at('home/data') }
    for (const path of ['home/data', 'home/data/key', 'home/data/store', 'home/data/store/cache/x', 'key']) {
      const err = await failure(ingest(at(path), options))
      expect(err.code, path).toBe('ERR_USAGE')
      expect(err.message, path).toMatch(/ is (in )?this node's data folder$/)
    }
    expect(paths(await ingest(at('home/data/cache'), options))).toEqual(['', 'b.txt'])
    expect(paths(await ingest(at('home/data/cache/b.txt'), options))).toEqual([''])
  })
})

describe('after an interruption', () => {
  const LATER_MS = 60_000

  afterEach(() => {
    vi.restoreAllMocks()
  })

  test('only the rest is hashed; a complete run leaves nothing behind', async () => {
    put('share/a', keystream(12 * CHUNK_BYTES + 1, 'a'))
    put('share/b', 'b')
    mkdirSync(at('data'))
    const realNow = Date.now()
    vi.spyOn(Date, 'now').mockReturnValue(realNow + LATER_MS)
    const options = { dataDir: at('data') }
    const stop = new AbortController()
    const onProgress = ({ bytes }: IngestProgress) => {
      if (bytes >= 6 * CHUNK_BYTES) stop.abort()
    }
    const slow = vi.spyOn(performance, 'now').mockImplementation(() => (tick += 1000))
    let tick = 0
    expect((await failure(ingest(at('share'), { ...options, signal: stop.signal, onProgress }))).code).toBe(
      'ERR_ABORTED'
    )
    slow.mockRestore()
    expect(readdirSync(at('data/hashed')).length).toBe(1)

    const hashed = await countHashed('share/a')
    expect(hashed).toBeGreaterThan(0)
    expect(hashed).toBeLessThanOrEqual(8 * CHUNK_BYTES + 1)
    const { manifest } = await ingest(at('share'), options)
    expect(manifest.root.toString()).toBe((await ingest(at('share'))).manifest.root.toString())
    expect(readdirSync(at('data/hashed'))).toEqual([])
  })

  /** Bytes of the file that are hashed when it is taken up with what its folder's journal knows. */
  async function countHashed(path: string): Promise<number> {
    const here = new LocalHasher()
    let bytes = 0
    const hasher = {
      width: 1,
      hashGroup: (fd: number, position: number, length: number) => {
        bytes += length
        return here.hashGroup(fd, position, length)
      }
    }
    const journal = await HashJournal.open(at('data'), at('share'))
    const { link } = await hashFile(at(path), { hasher, sink: () => {}, journal, onBytes: () => {} })
    expect(link.cid.toString()).toBe((await ingest(at(path))).manifest.root.toString())
    return bytes
  }

  test('small files in batches are taken up too, unless they changed', async () => {
    const files = Array.from(
      { length: 40 },
      (_, i) => ({ kind: 'file', name: `${i}`, path: `${i}`, size: 3 + (i % 2) }) as const
    )
    for (const { path, size } of files) put(`share/${path}`, path.padEnd(size, '.'))
    mkdirSync(at('data'))
    const now = () => Date.now() + LATER_MS
    const hash = async (journal: HashJournal) => {
      const done = new Map<string, string>()
      const asked: string[] = []
      const threads: typeof hereAsThread = {
        run: (kind, job) => {
          if (kind === 'hashFiles') asked.push(...('paths' in job ? job.paths : []))
          return hereAsThread.run(kind, job)
        }
      }
      const context = { hasher: new LocalHasher(), sink: () => {}, journal, onBytes: () => {} }
      const result = {
        onHashed: (path: string, { link }: Awaited<ReturnType<typeof hashFile>>) => done.set(path, link.cid.toString()),
        onFailed: (_: string, err: unknown) => {
          throw err
        }
      }
      for (const batch of batchSmallFiles(files).batches)
        await hashBatch(threads, { base: at('share'), batch }, context, result)
      return { done, asked }
    }
    const first = await HashJournal.open(at('data'), at('share'), now)
    const { done, asked } = await hash(first)
    expect(asked.length).toBe(40)
    await first.close()
    put('share/7', '777')
    const second = await HashJournal.open(at('data'), at('share'), now)
    const again = await hash(second)
    await second.close()
    expect(again.asked).toEqual([at('share/7')])
    done.set('7', (await ingest(at('share/7'))).manifest.root.toString())
    expect(new Map([...again.done].sort())).toEqual(new Map([...done].sort()))
  })
})

test('files of one chunk are hashed in batches, others by themselves; what changed meanwhile is looked at again', async () => {
  const sizes = [5, CHUNK_BYTES, CHUNK_BYTES + 1, 0]
  const files = sizes.map((size, i) => ({ kind: 'file', name: `${i}`, path: `${i}`, size }) as const)
  for (const { path, size } of files) put(`share/${path}`, keystream(size, path))
  const { batches, large } = batchSmallFiles(files)
  expect(batches.map(batch => batch.map(file => file.path))).toEqual([['0', '1', '3']])
  expect(large.map(file => file.path)).toEqual(['2'])
  const many = Array.from(
    { length: 600 },
    (_, i) => ({ kind: 'file', name: `${i}`, path: `${i}`, size: CHUNK_BYTES / 2 }) as const
  )
  expect(batchSmallFiles(many).batches.every(batch => batch.length <= 8)).toBe(true)
  // It grew over what a batch takes, one is gone.
  put('share/0', keystream(2 * CHUNK_BYTES, 'grown'))
  rmSync(at('share/3'))
  const failed: string[] = []
  const hashed = new Map<string, string>()
  for (const batch of batches) {
    await hashBatch(
      hereAsThread,
      { base: at('share'), batch },
      { hasher: new LocalHasher(), sink: () => {}, onBytes: () => {} },
      { onHashed: (path, { link }) => hashed.set(path, link.cid.toString()), onFailed: path => failed.push(path) }
    )
  }
  expect(failed).toEqual(['3'])
  for (const path of ['0', '1']) {
    expect(hashed.get(path)).toBe((await ingest(at('share', path))).manifest.root.toString())
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
