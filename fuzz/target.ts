/** What a fuzz target is: code of ours that a stranger's bytes reach, with the claims that hold for all of them. */
import { type ErrorCode, ShoalError } from '../src/base/errors.ts'

export interface Target {
  readonly name: string
  /** What the claims are, in one line: shown in the table of a run. */
  readonly claims: string
  /** The longest input that is tried. */
  readonly maxBytes: number
  /** Well-formed inputs to begin with. */
  seeds(): readonly Uint8Array[]
  /** Bytes that mean something to the code: keywords, tags, limits. */
  readonly dictionary?: readonly Uint8Array[]
  /** Whatever it throws is a finding. */
  run(input: Uint8Array): void | Promise<void>
}

/** A claim that does not hold. */
export class BrokenClaim extends Error {
  override readonly name = 'BrokenClaim'
}

export function claim(holds: boolean, what: string): asserts holds {
  if (!holds) throw new BrokenClaim(what)
}

/** The result, or undefined where it failed in a declared way; all other failures pass through. */
export function orDeclared<T>(codes: readonly ErrorCode[], work: () => T): T | undefined {
  try {
    return work()
  } catch (err) {
    if (err instanceof ShoalError && codes.includes(err.code)) {
      checkText(err)
      return undefined
    }
    throw err
  }
}

const MAX_MESSAGE_CHARS = 1_000

/** Errors are read by people and logged: their size does not follow from the input's. */
export function checkText(err: ShoalError): void {
  claim(err.message.length <= MAX_MESSAGE_CHARS, `an error message of ${err.message.length} characters`)
}

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
export const textOf = (bytes: Uint8Array): string => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
export const texts = (...list: string[]): Uint8Array[] => list.map(utf8)
