/**
 * Fills LevelDB for ever, so that it compacts all the time: each batch is synced and then acknowledged with its number
 * on a line. Run by the soak, which kills it.
 *
 *     node scripts/soak/fill-store.mjs FOLDER
 */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { checkout } from '../lab/checkout.mjs'

const KEYS = 600
const KEYS_A_BATCH = 24
const VALUE_BYTES = 20_000

/** The keys that a batch writes: some neighbours, some far away. @param {number} batch from 1 on */
export function keysOf(batch) {
  const keys = new Set()
  for (let i = 0; i < KEYS_A_BATCH; i++) keys.add(`kv/${String((batch * 7919 + i * i * 31) % KEYS).padStart(4, '0')}`)
  return [...keys]
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  /** @type {typeof import('../../src/content/store/database.ts')} */
  const { Database } = await import(join(checkout, 'dist/content/store/database.js'))
  const silent = () => {}
  /** @type {any} */
  const log = { error: silent, warn: silent, info: silent, debug: silent, trace: silent, scope: () => log }
  const db = await Database.open(process.argv[2] ?? '', sentence => console.error(sentence), log)
  let batch = 0
  for await (const { value } of db.entries('kv/')) {
    if (value !== 'damaged') batch = Math.max(batch, Buffer.from(value).readUInt32LE(0))
  }
  for (;;) {
    batch += 1
    const value = Buffer.alloc(VALUE_BYTES, batch)
    value.writeUInt32LE(batch)
    await db.write(
      keysOf(batch).map(key => ({ type: 'put', key, value })),
      { sync: true }
    )
    process.stdout.write(`${batch}\n`)
  }
}
