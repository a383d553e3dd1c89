/**
 * Names from strangers. A name is one path component: Linux and macOS take any bytes but '/' and NUL, and '.' and '..'
 * mean something else. Case and Unicode normal form are left as stored: on Linux `A` and `a` are two files, and where
 * the file system takes them for one (macOS), whoever writes them finds out by creating files exclusively.
 */
import { replaceUnsafe } from '../base/unsafe-text.ts'
import { MAX_NAME_BYTES } from './manifest-limits.ts'

const NUL = 0
const SLASH = 0x2f
const DOT = 0x2e

/** Fatal, and a leading byte order mark is part of the name. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The name that the bytes spell, or undefined where they are not valid UTF-8. */
export function decodeName(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}

/** Why the bytes cannot be one component of a path, or undefined when they can. Does not look at the encoding. */
export function nameProblem(bytes: Uint8Array): string | undefined {
  const length = bytes.byteLength
  if (length === 0) return 'an empty name'
  if (length > MAX_NAME_BYTES) return `a name of ${length} bytes`
  if (bytes[0] === DOT && (length === 1 || (length === 2 && bytes[1] === DOT))) return `the name ${'.'.repeat(length)}`
  for (let i = 0; i < length; i++) {
    if (bytes[i] === SLASH) return 'a name with a slash'
    if (bytes[i] === NUL) return 'a name with a NUL byte'
  }
  return undefined
}

/**
 * A file name out of what a link proposes. Only its last component counts (`a/../b.txt` gives `b.txt`), what
 * steers a terminal, hides or reorders text (`\u202egpj.exe` shows as `exe.jpg`) becomes `_`, and it is cut to 255 bytes between characters, its extension kept where that is short.
 * Undefined where nothing usable is left.
 */
export function fileNameFrom(proposed: string): string | undefined {
  const last = proposed.split('/').findLast(part => part !== '') ?? ''
  const clean = cutToFit(replaceUnsafe(wellFormed(last), () => '_'))
  return nameProblem(Buffer.from(clean)) === undefined ? clean : undefined
}

const MAX_KEPT_EXTENSION_BYTES = 16

function cutToFit(name: string): string {
  if (Buffer.byteLength(name) <= MAX_NAME_BYTES) return name
  const dot = name.lastIndexOf('.')
  const extension = dot > 0 ? name.slice(dot) : ''
  const kept = Buffer.byteLength(extension) <= MAX_KEPT_EXTENSION_BYTES ? extension : ''
  let room = MAX_NAME_BYTES - Buffer.byteLength(kept)
  let stem = ''
  for (const character of name) {
    room -= Buffer.byteLength(character)
    if (room < 0) break
    stem += character
  }
  return stem + kept
}

/** For messages and terminals: see unsafe-text.ts for what is shown as an escape. */
export function printable(text: string): string {
  return replaceUnsafe(
    wellFormed(text),
    character => ESCAPES.get(character) ?? `\\u{${character.codePointAt(0)?.toString(16)}}`
  )
}

/** Lone surrogates become U+FFFD, as in `String.prototype.toWellFormed`. */
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd')
}

const ESCAPES = new Map([
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
  ['\u001b', '\\e'],
  ['\0', '\\0']
])

/** The same for a name that is not valid UTF-8: what is no ASCII shows as `\xNN`. */
export function printableBytes(bytes: Uint8Array): string {
  const text = decodeName(bytes)
  if (text !== undefined) return printable(text)
  let shown = ''
  for (const byte of bytes) {
    shown += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`
  }
  return shown
}
