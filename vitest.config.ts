import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Not in node_modules, where vite would put it: the demo shares that folder, and nothing in it may change meanwhile.
  cacheDir: '.cache/vite',
  test: {
    include: ['test/**/*.test.ts'],
    // To end what hangs, and not to measure: the slowest takes half a minute on a machine that does nothing else.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // What is waited for comes in the end, and not within vitest's second: the machine may be slow.
    expect: { poll: { timeout: 60_000 } },
    pool: 'forks',
    maxWorkers: 2,
    reporters: ['default']
  }
})
