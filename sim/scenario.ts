/** What a scenario file (scenarios/*.json) says, checked. Rates in Mbit/s, sizes in MiB or KiB, times in s or ms. */
import { readFileSync } from 'node:fs'
import { DEFAULT_CONFIG, RULES, type SwarmConfig } from '../src/transfer/core/config.ts'
import { METRICS, type MetricName } from './metrics.ts'
import { BEHAVIOURS, type Behaviour } from './sim-peer.ts'
import type { UploaderSettings } from './sim-uploader.ts'

export interface Group {
  readonly count: number
  /** One rate, or [least, most]: the peers' rates lie evenly between them on a scale of ratios. */
  readonly up: number | readonly [number, number]
  readonly down: number
  readonly behaviour: Behaviour
}

export interface Target {
  readonly metric: MetricName
  readonly max?: number
  readonly min?: number
}

export interface Scenario {
  readonly name: string
  readonly title: string
  readonly mib: number
  readonly pieceKib: number
  readonly seeder: { readonly up: number; readonly down: number }
  readonly groups: readonly Group[]
  /** One way, on average; each pair has its own, within a quarter of it. */
  readonly delayMs: number
  /** Control messages wait behind data in the buffer of their socket and in the router's queue; without it nowhere. */
  readonly kernel?: { readonly socketKib: number; readonly queueMs: number }
  /** Peers come in bursts, each as large as all before it: the size of the first, and the time between. */
  readonly doubling?: { readonly first: number; readonly everySeconds: number }
  /** Share of the connections that are lost each minute. */
  readonly lossPerMinute: number
  /** Share of the leechers that leave, and as many that join, each minute. */
  readonly churnPerMinute: number
  readonly seederLeaves: boolean
  /** Everyone plays it at this share of what each could get, with such a buffer. */
  readonly reader?: { readonly share: number; readonly bufferSeconds: number }
  readonly core: Partial<SwarmConfig>
  readonly uploader: UploaderSettings
  readonly targets: readonly Target[]
}

const KEYS = [
  ...[
    'title',
    'mib',
    'pieceKib',
    'seeder',
    'groups',
    'delayMs',
    'kernel',
    'doubling',
    'lossPerMinute',
    'churnPerMinute'
  ],
  ...['seederLeaves', 'reader', 'core', 'uploader', 'targets']
]

export function readScenario(path: string, name: string): Scenario {
  try {
    return parseScenario(JSON.parse(readFileSync(path, 'utf8')), name)
  } catch (cause) {
    throw new Error(`${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

/** @throws Error that names the field */
export function parseScenario(value: unknown, name: string): Scenario {
  const from = fields(value, 'the scenario', KEYS)
  const seeder = fields(from['seeder'], 'seeder', ['up', 'down'])
  const kernel = from['kernel'] === undefined ? undefined : fields(from['kernel'], 'kernel', ['socketKib', 'queueMs'])
  const doubling = from['doubling'] === undefined ? undefined : fields(from['doubling'], 'doubling')
  const reader = from['reader'] === undefined ? undefined : fields(from['reader'], 'reader')
  return {
    name,
    title: typeof from['title'] === 'string' ? from['title'] : name,
    mib: positive(from['mib'], 'mib'),
    pieceKib: positive(from['pieceKib'] ?? 1024, 'pieceKib'),
    seeder: { up: positive(seeder['up'], 'seeder.up'), down: positive(seeder['down'], 'seeder.down') },
    groups: list(from['groups'], 'groups').map(parseGroup),
    delayMs: positive(from['delayMs'], 'delayMs'),
    ...(kernel && {
      kernel: {
        socketKib: positive(kernel['socketKib'], 'kernel.socketKib'),
        queueMs: positive(kernel['queueMs'], 'kernel.queueMs')
      }
    }),
    ...(doubling && {
      doubling: {
        first: positive(doubling['first'], 'doubling.first'),
        everySeconds: positive(doubling['everySeconds'], 'doubling.everySeconds')
      }
    }),
    lossPerMinute: share(from['lossPerMinute'], 'lossPerMinute'),
    churnPerMinute: share(from['churnPerMinute'], 'churnPerMinute'),
    seederLeaves: from['seederLeaves'] === true,
    ...(reader && {
      reader: {
        share: positive(reader['share'], 'reader.share'),
        bufferSeconds: positive(reader['bufferSeconds'], 'reader.bufferSeconds')
      }
    }),
    core: parseCore(from['core']),
    uploader: parseUploader(from['uploader']),
    targets: list(from['targets'], 'targets').map(parseTarget)
  }
}

function parseGroup(value: unknown, at: number): Group {
  const where = `groups[${at}]`
  const from = fields(value, where, ['count', 'up', 'down', 'behaviour'])
  const behaviour = BEHAVIOURS.find(known => known === (from['behaviour'] ?? 'honest'))
  if (behaviour === undefined) throw new Error(`${where}.behaviour is not one of ${BEHAVIOURS.join(', ')}`)
  const up = from['up']
  return {
    count: positive(from['count'], `${where}.count`),
    up: Array.isArray(up)
      ? [positive(up[0], `${where}.up[0]`), positive(up[1], `${where}.up[1]`)]
      : positive(up, `${where}.up`),
    down: positive(from['down'], `${where}.down`),
    behaviour
  }
}

function parseTarget(value: unknown, at: number): Target {
  const where = `targets[${at}]`
  const from = fields(value, where, ['metric', 'max', 'min'])
  const metric = METRICS.find(known => known === from['metric'])
  if (metric === undefined) throw new Error(`${where}.metric is not one of ${METRICS.join(', ')}`)
  return {
    metric,
    ...(from['max'] !== undefined && { max: number(from['max'], `${where}.max`) }),
    ...(from['min'] !== undefined && { min: number(from['min'], `${where}.min`) })
  }
}

export function parseCore(value: unknown): Partial<SwarmConfig> {
  const core = value === undefined ? {} : fields(value, 'core', Object.keys(DEFAULT_CONFIG))
  for (const [key, setting] of Object.entries(core)) {
    if (typeof setting !== typeof DEFAULT_CONFIG[key as keyof SwarmConfig])
      throw new Error(`core.${key} has a wrong type`)
  }
  for (const rule of list(core['without'] ?? [], 'core.without')) {
    if (!RULES.some(known => known === rule)) throw new Error(`core.without: ${rule} is not one of ${RULES.join(', ')}`)
  }
  return core as Partial<SwarmConfig>
}

export function parseUploader(value: unknown): UploaderSettings {
  const uploader = value === undefined ? {} : fields(value, 'uploader', ['slots', 'maxReads', 'maxReadsPerSession'])
  for (const [key, setting] of Object.entries(uploader)) positive(setting, `uploader.${key}`)
  return uploader
}

function fields(value: unknown, where: string, known?: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${where} is not an object`)
  for (const key of Object.keys(value)) {
    if (known !== undefined && !known.includes(key)) throw new Error(`${where} has an unknown field ${key}`)
  }
  return value as Record<string, unknown>
}

function list(value: unknown, where: string): unknown[] {
  if (!Array.isArray(value)) throw new Error(`${where} is not a list`)
  return value
}

function number(value: unknown, where: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new Error(`${where} is not a number`)
  return value
}

function positive(value: unknown, where: string): number {
  const n = number(value, where)
  if (n <= 0) throw new Error(`${where} is not above 0`)
  return n
}

function share(value: unknown, where: string): number {
  const n = number(value ?? 0, where)
  if (n < 0 || n > 1) throw new Error(`${where} is not between 0 and 1`)
  return n
}
