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
 * @param columns terminal width, or undefined for a file or pipe: nothing is cut then. Where even the cut column does
 *   not make room, columns are left out from the right.
 * @returns lines, the titles first
 */
export function renderTable<Row>(spec: readonly Column<Row>[], rows: readonly Row[], columns?: number): string[] {
  const cells = rows.map(row => spec.map(column => printable(column.value(row))))
  const natural = spec.map((column, i) =>
    cells.reduce((widest, row) => Math.max(widest, widthOf(row[i] ?? '')), widthOf(column.title))
  )
  const widths = columns === undefined ? natural : fitted(spec, natural, columns)
  const line = (values: readonly string[]) =>
    widths
      .map((width, i) => {
        const text = truncate(values[i] ?? '', width)
        return spec[i]?.align === 'right' ? padStart(text, width) : padEnd(text, width)
      })
      .join(GAP)
      .trimEnd()
  return [spec.map(column => column.title), ...cells].map(line)
}

function fitted<Row>(spec: readonly Column<Row>[], natural: readonly number[], columns: number): number[] {
  const gives = spec.findIndex(column => column.gives === true)
  const widths = [...natural]
  const over = () => widths.reduce((sum, width) => sum + width, GAP.length * (widths.length - 1)) - columns
  const least = Math.min(natural[gives] ?? 0, MIN_COLUMNS)
  const slack = gives === -1 ? 0 : (natural[gives] ?? 0) - least
  while (widths.length > Math.max(1, gives + 1) && over() > slack) widths.pop()
  if (gives !== -1 && over() > 0) widths[gives] = Math.max(least, (natural[gives] ?? 0) - over())
  return widths
}
