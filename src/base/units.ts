/** Sizes, rates and durations: constants in bytes and milliseconds, parsing and printing. K, M, G are powers of ten. */
import { ShoalError } from './errors.ts'

export const KIB = 1024
export const MIB = 1024 * KIB
export const GIB = 1024 * MIB
export const SECOND_MS = 1000
export const MINUTE_MS = 60 * SECOND_MS
export const HOUR_MS = 60 * MINUTE_MS

const SCALE = { '': 1, K: 1e3, M: 1e6, G: 1e9, T: 1e12 } as const

/**
 * `500K`, `1.5M`, `2G`, `800000`: bytes a second, at least 1.
 * @throws ERR_BAD_NUMBER
 */
export function parseRate(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([KMGT]?)(?:B?(?:\/s)?)$/i.exec(text.trim())
  const scale = match?.[2]?.toUpperCase() as keyof typeof SCALE | undefined
  const rate =
    match?.[1] === undefined || scale === undefined ? Number.NaN : Math.floor(Number(match[1]) * SCALE[scale])
  if (!Number.isSafeInteger(rate) || rate < 1) {
    throw new ShoalError('ERR_BAD_NUMBER', `not a rate: ${JSON.stringify(text)}`, {
      hint: 'give bytes a second, such as 500K, 1.5M or 2G'
    })
  }
  return rate
}

/**
 * A rate as `parseRate` takes it, or no limit: `none`, `unlimited`, `off`, or a zero, which aria2 and others take so.
 * @returns bytes a second; null: no limit
 * @throws ERR_BAD_NUMBER
 */
export function parseLimit(text: string): number | null {
  if (/^(none|unlimited|off|0+(\.0+)?[KMGT]?(B?(\/s)?))$/i.test(text.trim())) return null
  try {
    return parseRate(text)
  } catch (err) {
    if (!(err instanceof ShoalError)) throw err
    throw new ShoalError(err.code, err.message, {
      hint: 'give bytes a second, such as 500K, 1.5M or 2G, or none for no limit'
    })
  }
}

/**
 * A size as `500M`, `20G`, `1.5T` or `800000`, also with a `B`; or no limit: `none`, `unlimited`. Zero is neither: of a
 * limit it could mean both.
 * @returns bytes, from 1; null: no limit
 * @throws ERR_BAD_NUMBER
 */
export function parseSize(text: string): number | null {
  if (/^(none|unlimited)$/i.test(text.trim())) return null
  const match = /^(\d+(?:\.\d+)?)([KMGT]?)B?$/i.exec(text.trim())
  const scale = match?.[2]?.toUpperCase() as keyof typeof SCALE | undefined
  const size = match?.[1] === undefined || scale === undefined ? 0 : Math.floor(Number(match[1]) * SCALE[scale])
  if (!Number.isSafeInteger(size) || size < 1) {
    throw new ShoalError('ERR_BAD_NUMBER', `not a size: ${JSON.stringify(text)}`, {
      hint: 'give bytes, such as 500M, 20G or 1.5T (powers of ten), or none for no limit'
    })
  }
  return size
}

/** Seconds, more than zero, as whole milliseconds, at least 1. @throws ERR_BAD_NUMBER */
export function parseSeconds(text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : Number.NaN
  if (!(seconds > 0) || seconds > 1e9) {
    throw new ShoalError('ERR_BAD_NUMBER', `not a number of seconds: ${JSON.stringify(text)}`, {
      hint: 'give a number above zero'
    })
  }
  return Math.max(1, Math.round(seconds * SECOND_MS))
}

/** `0 B`, `999 B`, `1.05 MB`, `12.3 GB`: three significant figures, powers of ten. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  let value = Math.max(0, bytes)
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
  return `${value.toFixed(digits)} ${units[unit]}`
}

export function formatRate(bytesPerSec: number): string {
  return `${formatBytes(bytesPerSec)}/s`
}

/** `0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`, `3 d 4 h`. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, ms) / SECOND_MS
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  const pad = (n: number) => String(n).padStart(2, '0')
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${pad(Math.floor((whole % 3600) / 60))} min`
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3600)} h`
}
