/** The options that every command takes, checked. */
import { isAbsolute } from 'node:path'
import { ShoalError } from '../base/errors.ts'
import { LOG_LEVELS, type LogLevel } from '../base/log.ts'
import { parseLimit, parseSeconds, parseSize } from '../base/units.ts'
import type { LimitChange } from '../node/api.ts'
import { type Encryption, parseEncryption } from '../node/encryption.ts'
import { givenPath } from './given-path.ts'
import type { CliIo } from './io.ts'

/** As commander reads them. */
export interface RawGlobals {
  dataDir?: string
  json?: boolean
  quiet?: boolean
  log?: string
  listen?: string[]
  announce?: string[]
  peer?: string[]
  up?: string
  down?: string
  maxStorage?: string
  timeout?: string
}

export interface Globals {
  /** Absolute. */
  dataDir: string
  json: boolean
  quiet: boolean
  logLevel: LogLevel
  listen: string[]
  announce: string[]
  peers: string[]
  /** What `--up` and `--down` say. */
  limits: LimitChange
  /** The same for a node of this command's own: what the options leave open, SHOAL_UP and SHOAL_DOWN say. */
  ownLimits: LimitChange
  /** Of a node of this command's own, from SHOAL_ENCRYPTION. */
  encryption?: Encryption[]
  /** What `--max-storage` says: bytes, null for no limit. */
  maxStorage?: number | null
  /** For a node of this command's own: that, else what SHOAL_MAX_STORAGE says. */
  ownMaxStorage?: number | null
  timeoutMs?: number
}

/** @throws ERR_USAGE, ERR_BAD_NUMBER, ERR_BAD_MULTIADDR */
export async function readGlobals(raw: RawGlobals, io: CliIo): Promise<Globals> {
  const globals: Globals = {
    dataDir: await dataDirOf(raw.dataDir, io),
    json: raw.json === true,
    quiet: raw.quiet === true,
    logLevel: logLevelOf(raw.log),
    listen: raw.listen ?? [],
    announce: raw.announce ?? [],
    peers: raw.peer ?? [],
    limits: {},
    ownLimits: {}
  }
  for (const name of ['up', 'down'] as const) {
    const [option, variable] = [raw[name], io.env[`SHOAL_${name.toUpperCase()}`]]
    if (option !== undefined) globals.limits[name] = parseNamed(`--${name}`, option, parseLimit)
    else if (variable !== undefined && variable !== '') {
      globals.ownLimits[name] = parseNamed(`SHOAL_${name.toUpperCase()}`, variable, parseLimit)
    }
  }
  Object.assign(globals.ownLimits, globals.limits)
  const encryption = io.env['SHOAL_ENCRYPTION']
  if (encryption !== undefined && encryption !== '') {
    globals.encryption = parseNamed('SHOAL_ENCRYPTION', encryption, parseEncryption)
  }
  const [storage, storageVariable] = [raw.maxStorage, io.env['SHOAL_MAX_STORAGE']]
  if (storage !== undefined) globals.maxStorage = parseNamed('--max-storage', storage, parseSize)
  else if (storageVariable !== undefined && storageVariable !== '') {
    globals.ownMaxStorage = parseNamed('SHOAL_MAX_STORAGE', storageVariable, parseSize)
  }
  if (globals.maxStorage !== undefined) globals.ownMaxStorage = globals.maxStorage
  if (raw.timeout !== undefined) globals.timeoutMs = parseNamed('--timeout', raw.timeout, parseSeconds)
  for (const address of globals.listen) await io.load.checkListenAddr(address)
  for (const address of globals.announce) await io.load.checkAnnounceAddr(address)
  for (const address of globals.peers) await io.load.checkMultiaddr(address)
  return globals
}

async function dataDirOf(given: string | undefined, io: CliIo): Promise<string> {
  const fromEnv = io.env['SHOAL_DATA_DIR']
  const chosen = given ?? (fromEnv === undefined || fromEnv === '' ? await platformDataDir() : fromEnv)
  if (chosen === '' || chosen.includes('\0'))
    throw new ShoalError('ERR_USAGE', '--data-dir needs a folder', { hint: 'see shoal --help' })
  return givenPath(io, chosen, '--data-dir')
}

/** env-paths looks for the home folder as soon as it is imported, and not every user has one. */
async function platformDataDir(): Promise<string> {
  const hint = 'set HOME, or choose a folder with --data-dir'
  const { data } = await import('env-paths').then(
    ({ default: envPaths }) => envPaths('shoal', { suffix: '' }),
    (cause: unknown) => {
      throw new ShoalError('ERR_USAGE', 'this user has no home folder for the data folder to lie in', { cause, hint })
    }
  )
  if (isAbsolute(data)) return data
  throw new ShoalError('ERR_USAGE', `the platform's data folder is no absolute path: ${data}`, { hint })
}

function logLevelOf(text: string | undefined): LogLevel {
  if (text === undefined) return 'error'
  const level = LOG_LEVELS.find(known => known === text)
  if (level !== undefined) return level
  throw new ShoalError('ERR_USAGE', `unknown log level ${JSON.stringify(text)}`, {
    hint: `--log takes one of ${LOG_LEVELS.join(', ')}`
  })
}

function parseNamed<Value>(option: string, text: string, parse: (text: string) => Value): Value {
  try {
    return parse(text)
  } catch (err) {
    if (!(err instanceof ShoalError)) throw err
    throw new ShoalError(err.code, `${option}: ${err.message}`, err.hint === undefined ? {} : { hint: err.hint })
  }
}
