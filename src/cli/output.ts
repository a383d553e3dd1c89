/**
 * What the user sees. Results and JSON events go to stdout; errors, warnings, notes and the progress line to stderr.
 * One line may be live (rewritten in place); whatever else is printed goes above it.
 *
 * Nothing that is printed steers the terminal: names, paths, addresses and messages come from elsewhere, so every line
 * is escaped here, whoever made it.
 */
import { ShoalError } from '../base/errors.ts'
import { toPrintableJson } from '../base/unsafe-text.ts'
import type { CliIo } from './io.ts'
import type { BarStyle } from './render/progress.ts'
import { printable, truncate } from './render/text.ts'

const DEFAULT_COLUMNS = 80
const CLEAR_LINE = '\r\u001b[K'

export interface OutputOptions {
  json: boolean
  quiet: boolean
}

export class Output {
  readonly json: boolean
  readonly quiet: boolean
  readonly #io: CliIo
  #live = ''

  constructor(io: CliIo, { json, quiet }: OutputOptions) {
    this.#io = io
    this.json = json
    this.quiet = quiet
  }

  /** Whether `live` has a terminal to rewrite a line on. */
  get isLive(): boolean {
    return this.#io.stderr.isTTY === true && this.#io.env['TERM'] !== 'dumb' && !this.json && !this.quiet
  }

  /** Whether waiting is told at all: neither `--json` nor `--quiet`. */
  get isChatty(): boolean {
    return !this.json && !this.quiet
  }

  /** Columns of the table on stdout; undefined when it is no terminal, where nothing is cut. */
  get tableColumns(): number | undefined {
    return this.#io.stdout.isTTY === true ? (this.#io.stdout.columns ?? DEFAULT_COLUMNS) : undefined
  }

  get barStyle(): BarStyle {
    const { env, stderr } = this.#io
    const locale = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || ''
    const unicode = /utf-?8/i.test(locale) || (locale === '' && process.platform === 'darwin')
    // The last column stays free: many terminals wrap when it is written.
    return { columns: Math.max(20, stderr.columns ?? DEFAULT_COLUMNS) - 1, unicode }
  }

  /** One JSON object on stdout; nothing without `--json`. */
  event(name: string, fields: object): void {
    if (this.json) this.#out(toPrintableJson({ event: name, ...fields }))
  }

  /** A result for a reader; nothing with `--json`. */
  result(text: string): void {
    if (!this.json) this.#out(printable(text))
  }

  /** What is good to know while waiting: not with `--quiet`, and not with `--json`, which has events. */
  note(text: string): void {
    if (this.isChatty) this.#err(printable(text))
  }

  warn(text: string): void {
    if (!this.quiet) this.#err(`shoal: warning: ${printable(text)}`)
  }

  /** One line: what, why and what next. */
  error(err: unknown): void {
    const { code, message, hint } = describeError(err)
    this.#err(`shoal: ${printable(hint === undefined ? message : `${message}; ${hint}`)}`)
    this.event('error', { code, message })
  }

  /** Several lines stay several. */
  log(text: string): void {
    this.#err(text.split('\n').map(printable).join('\n'))
  }

  /** Sets the line that is rewritten in place; an empty one removes it. Only when `isLive`. */
  live(text: string): void {
    if (!this.isLive || text === this.#live) return
    this.#live = truncate(printable(text), this.barStyle.columns)
    this.#io.stderr.write(CLEAR_LINE + this.#live)
  }

  #out(line: string): void {
    this.#above(() => this.#io.stdout.write(`${line}\n`))
  }

  #err(line: string): void {
    this.#above(() => this.#io.stderr.write(`${line}\n`))
  }

  #above(print: () => void): void {
    if (this.#live === '') {
      print()
      return
    }
    this.#io.stderr.write(CLEAR_LINE)
    print()
    this.#io.stderr.write(this.#live)
  }
}

export interface ErrorText {
  code: string
  message: string
  hint: string | undefined
}

export function describeError(err: unknown): ErrorText {
  if (err instanceof ShoalError) return { code: err.code, message: err.message, hint: err.hint }
  const message = err instanceof Error ? err.message : String(err)
  return {
    code: 'ERR_BUG',
    message: `unexpected: ${message}`,
    hint: 'please report it, with the output of --log debug'
  }
}
