/**
 * Text from elsewhere that is printed: what steers a terminal, and what hides or reorders the text beside it. A name is
 * kept as it is; it is escaped where it is shown.
 */

/**
 * C0, DEL and C1 (ECMA-48); soft hyphen, zero-width and invisible characters; line and paragraph separators; embeddings,
 * overrides and isolates of the bidirectional algorithm (Unicode UAX 9); interlinear annotation, tags; lone surrogates.
 * Joiners (U+200C, U+200D) stay: scripts and emoji need them.
 */
const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}\p{Surrogate}]/gu

/** @param shown gives what is shown in place of a character, which may lie beyond U+FFFF */
export function replaceUnsafe(text: string, shown: (character: string) => string): string {
  return text.replace(UNSAFE, shown)
}

/** JSON in one line that is safe to print, and means the same: unsafe characters become `\uXXXX`. */
export function toPrintableJson(value: unknown): string {
  return replaceUnsafe(JSON.stringify(value), character =>
    character
      .split('')
      .map(unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join('')
  )
}
