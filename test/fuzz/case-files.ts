/** Inputs in text files, one a line in base64, so that a change shows in a diff; `# …` says what an input found. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const FOLDER = join(import.meta.dirname, 'cases')

/** Findings of the past and what reaches deep: each is tried again in every run of the tests. */
export function casesOf(target: string): Uint8Array[] {
  const path = join(FOLDER, `${target}.txt`)
  if (!existsSync(path)) return []
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('#'))
    .map(line => new Uint8Array(Buffer.from(line, 'base64')))
}
