import { basename, dirname, join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { MAX_NAME_BYTES } from '../manifest-limits.ts'

/**
 * Where a fetch lies until it is complete: `<final name>.shoal-<last 8 characters of the CID>.part` beside the
 * destination, the final name cut between characters where the whole would exceed 255 bytes.
 * @param mark before the suffix, and never cut: two marks are two paths, however long the name is
 */
export function tempPath(destination: string, cid: CID, mark = ''): string {
  const suffix = `${mark}.shoal-${cid.toString().slice(-8)}.part`
  let stem = basename(destination)
  while (Buffer.byteLength(stem + suffix) > MAX_NAME_BYTES) stem = [...stem].slice(0, -1).join('')
  return join(dirname(destination), stem + suffix)
}

/** Whether the last part of a path is such a name. Anybody may have given it to a file. */
export function isTempName(path: string): boolean {
  return /\.shoal-[0-9a-z]{8}\.part$/i.test(basename(path))
}
