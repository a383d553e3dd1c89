/**
 * The data folder: its owner's alone. It is made so when it is absent; one that others can enter is closed where it
 * holds nothing but a node's files, and said so. One that holds other things too is not ours to close: it is refused
 * where others can write, and else what lies in it is private by itself.
 */
import { constants, type Stats } from 'node:fs'
import { access, chmod, lstat, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fromSystemError, ShoalError, systemCode } from '../base/errors.ts'
import { makeFolders } from '../base/make-folders.ts'
import { OTHERS, requireOwner, requireUnshared, showMode } from './owner-only.ts'

/** What a node keeps in its data folder. */
const OURS =
  /^(\.?key(-[0-9a-f]+)?|store|cache|hashed|peers\.json(\.[0-9a-f]+)?|control\.sock|control\.path(\.[0-9a-f]+)?)$/

/**
 * @returns what was open to others and is closed now, a sentence each
 * @throws ERR_NO_PERMISSION, ERR_PATH_NOT_FOUND, ERR_READ_ONLY, ERR_NO_SPACE, ERR_STORE_UNREADABLE
 */
export async function makeDataDir(dataDir: string): Promise<string[]> {
  try {
    await makeFolders(dataDir, 0o700)
    const stats = await stat(dataDir)
    if (!stats.isDirectory()) throw noFolder(dataDir)
    // whoever owns a symbolic link can point it elsewhere
    requireOwner(await lstat(dataDir), dataDir)
    requireOwner(stats, dataDir)
    const closed = [
      ...(await closeFolder(dataDir, stats)),
      ...(await closeEntry(join(dataDir, 'store'), 'what this node holds')),
      ...(await closeKey(join(dataDir, 'key')))
    ]
    await access(dataDir, constants.R_OK | constants.W_OK | constants.X_OK)
    return closed
  } catch (err) {
    if (systemCode(err) === 'EEXIST') throw noFolder(dataDir, err)
    throw fromSystemError(err, dataDir)
  }
}

async function closeFolder(dataDir: string, stats: Stats): Promise<string[]> {
  if ((stats.mode & OTHERS) === 0) return []
  const isOurs = stats.uid === process.getuid?.() && (await readdir(dataDir)).every(name => OURS.test(name))
  if (isOurs) await chmod(dataDir, stats.mode & 0o700)
  const now = isOurs ? await stat(dataDir) : stats
  requireUnshared(now, dataDir)
  return now.mode === stats.mode
    ? []
    : [`the data folder ${dataDir} was open to others (mode ${showMode(stats)}): closed`]
}

async function closeKey(path: string): Promise<string[]> {
  const [sentence] = await closeEntry(path, 'the key of this node')
  if (sentence === undefined) return []
  return [`${sentence}; if somebody may have copied it, move it away: the node makes another and has a new peer ID`]
}

/** @throws ERR_NO_PERMISSION where it is another user's, or cannot be closed */
async function closeEntry(path: string, what: string): Promise<string[]> {
  let stats: Stats
  try {
    stats = await stat(path)
  } catch (err) {
    // whoever needs it says what is wrong with it
    if (systemCode(err) !== undefined) return []
    throw err
  }
  requireOwner(stats, path)
  if ((stats.mode & OTHERS) === 0) return []
  await chmod(path, stats.mode & 0o700)
  const now = await stat(path)
  if ((now.mode & OTHERS) !== 0) {
    throw new ShoalError('ERR_NO_PERMISSION', `${path} is open to others (mode ${showMode(now)}) and stays so`, {
      hint: 'choose a --data-dir on a file system that keeps modes',
      details: { path }
    })
  }
  return [`${what} was open to others (${path}, mode ${showMode(stats)}): closed`]
}

function noFolder(dataDir: string, cause?: unknown): ShoalError {
  return new ShoalError('ERR_STORE_UNREADABLE', `${dataDir} is no folder`, {
    ...(cause === undefined ? {} : { cause }),
    hint: 'choose another with --data-dir'
  })
}
