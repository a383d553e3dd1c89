/**
 * Where the control socket of a data folder lies: `<data folder>/control.sock`, or in the user's runtime folder under
 * a name made from the data folder's real path where that is too long for a socket address (108 bytes on Linux, 104 on
 * macOS, the closing NUL included). Not every process of the user's has the same runtime folder: who answers there notes
 * the path in the data folder.
 */
import { createHash, randomBytes } from 'node:crypto'
import { lstat, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { fromSystemError, ShoalError, systemCode } from '../base/errors.ts'
import { makeFolders } from '../base/make-folders.ts'

export const SOCKET_NAME = 'control.sock'
export const MAX_SOCKET_PATH_BYTES = 100
/** In the data folder: where its socket lies. */
const NOTE_NAME = 'control.path'

export interface SocketPathOptions {
  /** Make the runtime folder when it is absent, and note it. Default false: a caller that only looks makes nothing. */
  create?: boolean
  env?: Record<string, string | undefined>
}

/**
 * @returns the socket's path, or undefined when the data folder (or, without `create`, the runtime folder) is not there
 * @throws ERR_NO_PERMISSION when the runtime folder is not ours alone
 */
export async function socketPath(dataDir: string, options: SocketPathOptions = {}): Promise<string | undefined> {
  let real: string
  try {
    real = await realpath(dataDir)
  } catch (err) {
    if (isAbsent(err)) return undefined
    throw fromSystemError(err, dataDir)
  }
  const direct = join(real, SOCKET_NAME)
  if (fits(direct)) return direct
  const name = `${createHash('sha256').update(real).digest('hex').slice(0, 32)}.sock`
  const folder = runtimeFolder(name, options.env ?? process.env)
  if (options.create !== true) {
    return (await noted(real, name)) ?? ((await isOurs(folder, false)) ? join(folder, name) : undefined)
  }
  await isOurs(folder, true)
  await note(real, join(folder, name))
  return join(folder, name)
}

/** Of another data folder, as in a copy, or in a folder that is not ours alone: then it says nothing. */
async function noted(dataDir: string, name: string): Promise<string | undefined> {
  const path = await readFile(join(dataDir, NOTE_NAME), 'utf8').catch(() => '')
  const folder = dirname(path)
  if (!isAbsolute(path) || path !== join(folder, name) || !fits(path)) return undefined
  return (await isOurs(folder, false).catch(() => false)) ? path : undefined
}

/** Whole or not at all, for whoever reads it meanwhile. */
async function note(dataDir: string, path: string): Promise<void> {
  const to = join(dataDir, NOTE_NAME)
  const temporary = `${to}.${randomBytes(4).toString('hex')}`
  try {
    await writeFile(temporary, path, { mode: 0o600, flag: 'wx' })
    await rename(temporary, to)
  } catch (err) {
    await rm(temporary, { force: true }).catch(() => {})
    throw fromSystemError(err, to)
  }
}

function fits(path: string): boolean {
  return Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES
}

function runtimeFolder(name: string, env: Record<string, string | undefined>): string {
  const mine = `shoal-${process.getuid?.() ?? 0}`
  const runtime = env['XDG_RUNTIME_DIR']
  const candidates = [join(tmpdir(), mine), join('/tmp', mine)]
  if (runtime?.startsWith('/')) candidates.unshift(join(runtime, 'shoal'))
  return candidates.find(folder => fits(join(folder, name))) ?? join('/tmp', mine)
}

/** Another user could have made the folder first, in a /tmp that all share: then nothing in it is to be trusted. */
async function isOurs(folder: string, create: boolean): Promise<boolean> {
  try {
    if (create) await makeFolders(folder, 0o700)
    const stat = await lstat(folder)
    const uid = process.getuid?.()
    if (stat.isDirectory() && (uid === undefined || stat.uid === uid) && (stat.mode & 0o077) === 0) return true
  } catch (err) {
    if (!create && isAbsent(err)) return false
    throw fromSystemError(err, folder)
  }
  throw new ShoalError(
    'ERR_NO_PERMISSION',
    `${folder} is not a folder of yours alone, so no control socket is put there`,
    {
      hint: 'remove it, set XDG_RUNTIME_DIR, or choose a shorter --data-dir',
      details: { path: folder }
    }
  )
}

function isAbsent(err: unknown): boolean {
  const code = systemCode(err)
  return code === 'ENOENT' || code === 'ENOTDIR'
}
