/** Numbers and tables as a person reads them. */

/** @param {number} bytes as `95 B`, `1.05 MB`, `333 MB`: three figures, powers of ten */
export function formatBytes(bytes) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = Math.max(0, bytes)
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${value.toFixed(unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2)} ${units[unit]}`
}

/** @param {number} ms as `4.2 s` */
export function formatSeconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`
}

/** @param {number} count @param {string} noun of which the plural ends in s */
export function plural(count, noun) {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`
}

/** @param {readonly string[]} parts as `a`, `a and b`, `a, b and c` */
export function joinWords(parts) {
  return parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`
}

/**
 * A table of plain text; columns whose cells all begin with a digit are set flush right.
 *
 * @param {readonly string[]} head
 * @param {ReadonlyArray<readonly string[]>} rows
 * @returns {string[]} lines
 */
export function formatTable(head, rows) {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map(row => (row[column] ?? '').length)))
  const isNumber = head.map((_, column) => rows.length > 0 && rows.every(row => /^[\d–-]/.test(row[column] ?? '')))
  /** @param {readonly string[]} cells */
  const line = cells =>
    widths
      .map((width, column) =>
        isNumber[column] ? (cells[column] ?? '').padStart(width) : (cells[column] ?? '').padEnd(width)
      )
      .join('  ')
      .trimEnd()
  return [line(head), widths.map(width => '─'.repeat(width)).join('  '), ...rows.map(line)]
}

/** @param {readonly number[]} values at least one */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}
