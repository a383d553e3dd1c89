/** The built program, for tests of what a user gets. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The checkout, without a final slash. */
export const checkout = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

/** Fails when dist/ is absent or older than src/: a test must not judge yesterday's program. */
export function requireBuild(): void {
  const newest = Math.max(
    ...readdirSync(join(checkout, 'src'), { recursive: true, encoding: 'utf8' }).map(
      path => statSync(join(checkout, 'src', path)).mtimeMs
    )
  )
  const built = statSync(join(checkout, 'dist/index.js'), { throwIfNoEntry: false })?.mtimeMs
  if (built === undefined) throw new Error('dist is not there: run npm run build first (scripts/test does)')
  if (built < newest) throw new Error('dist is older than src: run npm run build first (scripts/test does)')
}
