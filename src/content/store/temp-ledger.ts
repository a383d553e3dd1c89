/**
 * Every temporary file or folder that a fetch made and that may still be there, so that none is ever unnamed: whatever
 * becomes of its root, `gc` finds it. A key is `temp/<absolute path>`, its value which one is meant (`identityOf`).
 * Older versions leave these records alone.
 */
import type { Database, RecordOp } from './database.ts'

const PREFIX = 'temp/'

export interface KnownTemp {
  readonly path: string
  /** Empty where the record was damaged: then nothing proves that a file of that name is ours. */
  readonly id: string
}

export function rememberTempOps(path: string, id: string): RecordOp[] {
  return [{ type: 'put', key: PREFIX + path, value: Buffer.from(id) }]
}

export function forgetTempOps(path: string): RecordOp[] {
  return [{ type: 'del', key: PREFIX + path }]
}

export async function isKnownTemp(db: Database, { path, id }: KnownTemp): Promise<boolean> {
  const value = await db.get(PREFIX + path)
  return value !== undefined && value !== 'damaged' && Buffer.from(value).toString() === id
}

export async function knownTemps(db: Database): Promise<KnownTemp[]> {
  const known: KnownTemp[] = []
  for await (const { key, value } of db.entries(PREFIX)) {
    known.push({ path: key.slice(PREFIX.length), id: value === 'damaged' ? '' : Buffer.from(value).toString() })
  }
  return known
}
