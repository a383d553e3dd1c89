/** Aligned columns; what is too wide for the terminal is cut in the one column that may give way. */
import { padEnd, padStart, printable, truncate, widthOf } from './text.ts'

export interface Column<Row> {
  title: string
  value(row: Row): string
  align?: 'left' | 'right'
  /** This column is cut, to no fewer than 8 columns, when the table is too wide. At most one. */
  gives?: boolean
}

const GAP = '  '
const MIN_COLUMNS = 8

/**
 * @param columns terminal width, or undefined for a file or pipe: nothing is cut then
 * @returns lines, the titles first
 */
export function renderTable<Row>(spec: readonly Column<Row>[], rows: readonly Row[], columns?: number): string[] {
  const cells = rows.map(row => spec.map(column => printable(column.value(row))))
  const widths = spec.map((column, i) =>
    cells.reduce((widest, row) => Math.max(widest, widthOf(row[i] ?? '')), widthOf(column.title))
  )
  const gives = spec.findIndex(column => column.gives === true)
  const total = widths.reduce((sum, width) => sum + width, GAP.length * (spec.length - 1))
  if (columns !== undefined && total > columns && gives !== -1) {
    widths[gives] = Math.min(widths[gives] ?? 0, Math.max(MIN_COLUMNS, (widths[gives] ?? 0) - (total - columns)))
  }
  const line = (values: readonly string[]) =>
    values
      .map((value, i) => {
        const width = widths[i] ?? 0
        const text = truncate(value, width)
        return spec[i]?.align === 'right' ? padStart(text, width) : padEnd(text, width)
      })
      .join(GAP)
      .trimEnd()
  return [spec.map(column => column.title), ...cells].map(line)
}
