/** Progress in one line: a bar that fits the terminal, or plain words for a log. */
import { formatBytes, formatDuration, formatRate } from '../../base/units.ts'
import type { TransferSnapshot } from '../../node/api.ts'
import { percent, plural, printable, truncate, widthOf } from './text.ts'

export interface BarStyle {
  /** Columns that the line may take. */
  columns: number
  /** Eighths of a block; else `#` and `-`. */
  unicode: boolean
}

export interface HashBarState {
  bytes: number
  totalBytes: number
  /** Bytes a second. */
  rate: number
  /** Until all of it is hashed; null where that cannot be told. */
  etaMs: number | null
  label: string
}

const MIN_BAR = 8
const MAX_BAR = 30
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

/** `  43% ███████▌········ 44.1/97.4 MB  118 MB/s  ETA 0.5 s  3 peers  42/98 pieces` */
export function renderTransfer(snapshot: TransferSnapshot, style: BarStyle): string {
  if (snapshot.size === 0 || snapshot.state === 'finding' || snapshot.state === 'manifest') {
    return truncate(describeWait(snapshot), style.columns)
  }
  return bar(snapshot.have, snapshot.size, transferFields(snapshot), style)
}

/** The same in words, for a log: no bar, nothing cut. */
export function describeTransfer(snapshot: TransferSnapshot): string {
  if (snapshot.size === 0 || snapshot.state === 'finding' || snapshot.state === 'manifest')
    return describeWait(snapshot)
  const why = snapshot.problem === null ? [] : [printable(snapshot.problem.message)]
  return [percent(snapshot.have, snapshot.size), ...transferFields(snapshot), ...why].join('  ')
}

export function renderHashing(state: HashBarState, style: BarStyle): string {
  return bar(state.bytes, state.totalBytes, [...hashingFields(state), printable(state.label)], style)
}

/** The same in words, for a log: no bar, nothing cut. */
export function describeHashing(state: HashBarState): string {
  return [printable(state.label), percent(state.bytes, state.totalBytes), ...hashingFields(state)].join('  ')
}

function hashingFields({ bytes, totalBytes, rate, etaMs }: HashBarState): string[] {
  const fields = [formatShare(bytes, totalBytes), formatRate(rate)]
  if (etaMs !== null) fields.push(`ETA ${formatDuration(etaMs)}`)
  return fields
}

function describeWait(snapshot: TransferSnapshot): string {
  const name = printable(snapshot.name)
  switch (snapshot.state) {
    case 'manifest':
      return `reading the list of pieces from ${plural(snapshot.peers, 'peer')}  ${name}`
    case 'finding':
      return `looking for peers: ${snapshot.peersKnown} found, ${snapshot.peers} connected  ${name}`
    default:
      return `${name}: ${snapshot.state}`
  }
}

function transferFields(snapshot: TransferSnapshot): string[] {
  const fields = [formatShare(snapshot.have, snapshot.size)]
  if (snapshot.state === 'finishing') fields.push('writing to disk')
  else if (snapshot.state === 'paused') fields.push('paused')
  else {
    fields.push(formatRate(snapshot.rate))
    if (snapshot.etaMs !== null) fields.push(`ETA ${formatDuration(snapshot.etaMs)}`)
  }
  fields.push(plural(snapshot.peers, 'peer'))
  fields.push(`${snapshot.piecesHave}/${plural(snapshot.pieces, 'piece')}`)
  return fields
}

/** `44.1/97.4 MB`, both in the larger one's unit; with both units where the smaller would read as 0. */
export function formatShare(have: number, size: number): string {
  const whole = formatBytes(size)
  const unit = whole.slice(whole.indexOf(' ') + 1)
  const scale: Record<string, number> = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, PB: 1e15 }
  const value = have / (scale[unit] ?? 1)
  const digits = unit === 'B' || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
  return have === size ? whole : `${value.toFixed(digits)}/${whole}`
}

/** Fields are left out from the right until a bar of at least MIN_BAR fits; then the bar takes what is free. */
function bar(have: number, size: number, fields: readonly string[], { columns, unicode }: BarStyle): string {
  const head = `${percent(have, size).padStart(5)} `
  let kept = [...fields]
  const room = () => columns - widthOf(head) - 1 - widthOf(kept.join('  '))
  while (kept.length > 1 && room() < MIN_BAR) kept = kept.slice(0, -1)
  const cells = Math.min(MAX_BAR, room())
  if (cells < MIN_BAR) return truncate(head + kept.join('  '), columns)
  return `${head}${drawBar(size > 0 ? have / size : 1, cells, unicode)} ${kept.join('  ')}`
}

function drawBar(fraction: number, cells: number, unicode: boolean): string {
  const filled = Math.min(1, Math.max(0, fraction)) * cells
  const whole = Math.floor(filled)
  if (!unicode) return '#'.repeat(whole).padEnd(cells, '-')
  const part = EIGHTHS[Math.floor((filled - whole) * 8)] ?? ''
  return ('█'.repeat(whole) + part).padEnd(cells, '·')
}
