import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Column, renderTable } from '../../../src/cli/render/table.ts'
import { widthOf } from '../../../src/cli/render/text.ts'

interface Row {
  name: string
  size: number
}
const spec: Column<Row>[] = [
  { title: 'NAME', value: row => row.name, gives: true },
  { title: 'SIZE', value: row => String(row.size), align: 'right' },
  { title: 'LAST', value: () => 'x' }
]
const rows = [
  { name: 'short', size: 1 },
  { name: '日本語のとても長い名前です', size: 123_456 }
]

test('columns are aligned by what they show', () => {
  expect(renderTable(spec, rows)).toEqual([
    'NAME                          SIZE  LAST',
    'short                            1  x',
    '日本語のとても長い名前です  123456  x'
  ])
})

test('the column that gives way is cut', () => {
  expect(renderTable(spec, rows, 30)).toEqual([
    'NAME                SIZE  LAST',
    'short                  1  x',
    '日本語のとても…   123456  x'
  ])
})

test('where that is not enough, columns are left out from the right', () => {
  expect(renderTable(spec, rows, 18)).toEqual(['NAME          SIZE', 'short            1', '日本語の…   123456'])
  expect(renderTable(spec, rows, 10)).toEqual(['NAME', 'short', '日本語の…'])
})

test('names cannot break the table or the terminal', () => {
  expect(renderTable(spec, [{ name: 'a\nb\u001b[2J', size: 1 }])[1]).toBe('a\\x0ab\\x1b[2J     1  x')
})

test('no line is wider than the terminal', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ name: fc.string({ unit: 'grapheme' }), size: fc.nat() }), { maxLength: 5 }),
      fc.integer({ min: 8, max: 100 }),
      (some, columns) => {
        for (const line of renderTable(spec, some, columns)) expect(widthOf(line)).toBeLessThanOrEqual(columns)
      }
    )
  )
})
