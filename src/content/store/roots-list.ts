/**
 * `roots.json`: CID, name and path of every root, beside LevelDB. Read only to say what was lost when LevelDB lost
 * records, and to know a newer format before anything is touched.
 */
import { join } from 'node:path'
import { fromSystemError, ShoalError, systemCode } from '../../base/errors.ts'
import type { Disk } from './disk.ts'
import { readFully, writeFully } from './full-io.ts'
import { syncFolder } from './make-folder.ts'
import { decodeJson, STORE_VERSION } from './records.ts'

export interface ListedRoot {
  readonly cid: string
  readonly name: string
  readonly path: string
}

const fileOf = (folder: string) => join(folder, 'roots.json')

export function versionError(folder: string, version: unknown): ShoalError {
  return new ShoalError(
    'ERR_STORE_VERSION',
    `the store in ${folder} has format ${String(version)}; this version of shoal reads up to ${STORE_VERSION}`,
    { hint: 'use the newer shoal that wrote it, or another folder with --data-dir', details: { path: folder } }
  )
}

/** Empty where there is no such file or it is no list. @throws ERR_STORE_VERSION, ERR_NO_PERMISSION */
export async function readRootsList(disk: Disk, folder: string): Promise<ListedRoot[]> {
  let bytes: Uint8Array
  try {
    bytes = await readWhole(disk, fileOf(folder))
  } catch (err) {
    if (systemCode(err) === 'ENOENT' || systemCode(err) === 'ENOTDIR') return []
    throw fromSystemError(err, fileOf(folder))
  }
  return parseRootsList(bytes, folder)
}

/** @param folder for the message @throws ERR_STORE_VERSION */
export function parseRootsList(bytes: Uint8Array, folder: string): ListedRoot[] {
  const value = decodeJson(bytes)
  if (typeof value !== 'object' || value === null) return []
  const { version, roots } = value as { version?: unknown; roots?: unknown }
  if (typeof version === 'number' && version > STORE_VERSION) throw versionError(folder, version)
  return Array.isArray(roots) ? roots.filter(isListed) : []
}

async function readWhole(disk: Disk, path: string): Promise<Uint8Array> {
  const file = await disk.open(path, 'read')
  try {
    const bytes = Buffer.alloc(Number(file.stat().size))
    return bytes.subarray(0, await readFully(file, bytes, 0))
  } finally {
    await file.close()
  }
}

function isListed(value: unknown): value is ListedRoot {
  if (typeof value !== 'object' || value === null) return false
  const { cid, name, path } = value as Partial<Record<keyof ListedRoot, unknown>>
  return typeof cid === 'string' && typeof name === 'string' && typeof path === 'string'
}

/** Atomically: the old list or the new one survives a crash. */
export async function writeRootsList(disk: Disk, folder: string, roots: readonly ListedRoot[]): Promise<void> {
  const temporary = `${fileOf(folder)}.new`
  try {
    const file = await disk.open(temporary, 'replace')
    try {
      const text = Buffer.from(`${JSON.stringify({ version: STORE_VERSION, roots }, null, 1)}\n`)
      await writeFully(file, [text], 0, text.byteLength)
      await file.datasync()
    } finally {
      await file.close()
    }
    await disk.rename(temporary, fileOf(folder))
    await syncFolder(disk, folder)
  } catch (err) {
    throw fromSystemError(err, fileOf(folder))
  }
}
