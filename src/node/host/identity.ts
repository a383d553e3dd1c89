/** The node's key: who it is to its peers. `<dataDir>/key`, an Ed25519 private key in libp2p's protobuf form, mode 0600. */
import { randomBytes } from 'node:crypto'
import { link, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { fromSystemError, ShoalError, systemCode } from '../../base/errors.ts'
import { makeFolders } from '../../base/make-folders.ts'

export const KEY_FILE = 'key'

/**
 * The key in `dataDir`, made on first use. Two processes that start at once get the same key.
 * @throws ERR_STORE_DAMAGED when the file is no Ed25519 key; it is never overwritten
 * @throws ERR_NO_PERMISSION, ERR_NO_SPACE, ERR_READ_ONLY, ERR_IO
 */
export async function loadIdentity(dataDir: string): Promise<Ed25519PrivateKey> {
  const path = join(dataDir, KEY_FILE)
  const present = await read(path)
  if (present !== undefined) return parseKey(present, path)
  await create(dataDir, path)
  const made = await read(path)
  if (made === undefined) throw new ShoalError('ERR_IO', `${path} vanished right after it was written`)
  return parseKey(made, path)
}

async function read(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path)
  } catch (err) {
    if (systemCode(err) === 'ENOENT') return undefined
    throw fromSystemError(err, path)
  }
}

/** @param path for the message @throws ERR_STORE_DAMAGED */
export function parseKey(bytes: Uint8Array, path: string): Ed25519PrivateKey {
  let cause: unknown
  try {
    const key = privateKeyFromProtobuf(bytes)
    if (key.type === 'Ed25519') return key
    cause = `key type ${key.type}`
  } catch (err) {
    cause = err
  }
  throw new ShoalError('ERR_STORE_DAMAGED', `${path} is damaged: it holds no Ed25519 key`, {
    cause,
    hint: 'put a backup of it back, or move it away to get a new identity (peers will see a new peer ID)',
    details: { path }
  })
}

/** Written in full and synced under another name first: a crash leaves either no key or a whole one. */
async function create(dataDir: string, path: string): Promise<void> {
  const temporary = join(dataDir, `.${KEY_FILE}-${randomBytes(6).toString('hex')}`)
  try {
    await makeFolders(dataDir, 0o700)
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(privateKeyToProtobuf(await generateKeyPair('Ed25519')))
      await file.sync()
    } finally {
      await file.close()
    }
    // A link fails where the name exists, a rename would replace what another process has just made.
    await link(temporary, path).catch(err => {
      if (systemCode(err) !== 'EEXIST') throw err
    })
  } catch (err) {
    throw fromSystemError(err, path)
  } finally {
    await rm(temporary, { force: true }).catch(() => {})
  }
}
