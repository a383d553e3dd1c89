/** A bug that four bytes in a row lead to: one in four thousand million for who guesses. */
export function deepBug(input: Uint8Array): void {
  if (input[0] !== 0xc3) return
  if (input[1] !== 0x5a) return
  if (input[2] !== 0x7e) return
  if (input[3] !== 0x91) return
  throw new Error('a bug behind four comparisons')
}
