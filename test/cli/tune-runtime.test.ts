import { execFileSync } from 'node:child_process'
import { describe, expect, it, vi } from 'vitest'

const set = vi.hoisted(() => vi.fn<(flag: string) => void>())
vi.mock('node:v8', () => ({ setFlagsFromString: set }))

const { tuneRuntime } = await import('../../src/cli/tune-runtime.ts')

describe('tuneRuntime', () => {
  it('sets a flag that this engine knows, or none', () => {
    tuneRuntime()
    const known = execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' })
    for (const [flag] of set.mock.calls) {
      const [, name] = /^(--[a-z-]+)=\d+$/.exec(flag) ?? []
      expect(known).toContain(`\n  ${name} (`)
    }
    expect(set).toHaveBeenCalledTimes(process.versions.v8.startsWith('11.') ? 1 : 0)
  })
})
