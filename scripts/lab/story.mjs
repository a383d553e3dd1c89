/** Tells what happens, as it happens: plain lines with the time since the start, 80 columns, a terminal or not. */
import { formatSeconds } from './format.mjs'

const INDENT = ' '.repeat(9)
/** Between two lines of progress where lines cannot be rewritten. */
const PLAIN_PROGRESS_MS = 2000
const COLUMNS = 80

export class Story {
  #startedAt = performance.now()
  #lastProgressAt = Number.NEGATIVE_INFINITY
  #rewriting = false
  /** What is going on, for a failure's message. */
  now = 'starting'

  /** Milliseconds since the story began. */
  get elapsedMs() {
    return performance.now() - this.#startedAt
  }

  /** A new act. @param {string} text @param {string} [now] what is going on from here */
  act(text, now = text) {
    this.now = now
    this.#write('')
    this.say(text)
  }

  /** @param {string} text */
  say(text) {
    const [first = '', ...rest] = wrap(text, COLUMNS - INDENT.length)
    this.#write(`${formatSeconds(this.elapsedMs).padStart(7)}  ${first}`)
    for (const line of rest) this.#write(INDENT + line)
  }

  /** A line without a time, below the last one. @param {string} text */
  detail(text) {
    for (const line of wrap(text, COLUMNS - INDENT.length)) this.#write(INDENT + line)
  }

  /** What moves: one line that is rewritten on a terminal, else a line now and then. @param {string} text */
  progress(text) {
    if (process.stdout.isTTY) {
      const line = `${formatSeconds(this.elapsedMs).padStart(7)}  ${text}`
      process.stdout.write(`\r\x1b[K${line.slice(0, (process.stdout.columns || COLUMNS) - 1)}`)
      this.#rewriting = true
    } else if (this.elapsedMs - this.#lastProgressAt >= PLAIN_PROGRESS_MS) {
      this.#lastProgressAt = this.elapsedMs
      this.say(text)
    }
  }

  /** @param {readonly string[]} lines as they are */
  block(lines) {
    this.#write('')
    for (const line of lines) this.#write(line)
  }

  /** @param {string} line */
  #write(line) {
    if (this.#rewriting) process.stdout.write('\r\x1b[K')
    this.#rewriting = false
    process.stdout.write(`${line}\n`)
  }
}

/** @param {string} text @param {number} width @returns {string[]} */
function wrap(text, width) {
  /** @type {string[]} */
  const lines = ['']
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? ''
    if (line === '') lines[lines.length - 1] = word
    else if (line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`
    else lines.push(word)
  }
  return lines
}
