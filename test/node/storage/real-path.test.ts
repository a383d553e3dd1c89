import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { realPathOf } from '../../../src/node/storage/real-path.ts'

it('follows links as far as there is something', async () => {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'shoal-real-')))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  mkdirSync(join(dir, 'films'))
  symlinkSync(join(dir, 'films'), join(dir, 'link'))
  symlinkSync(join(dir, 'gone'), join(dir, 'dangling'))
  expect(await realPathOf(join(dir, 'link'))).toBe(join(dir, 'films'))
  expect(await realPathOf(join(dir, 'link', 'new', 'one.mkv'))).toBe(join(dir, 'films', 'new', 'one.mkv'))
  expect(await realPathOf(join(dir, 'dangling', 'x'))).toBe(join(dir, 'dangling', 'x'))
  expect(await realPathOf('/')).toBe('/')
})
