/** Paths of the command line: relative ones, empty ones, and those of a working folder that is gone. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { givenPath } from '../../src/cli/given-path.ts'
import { CliLab } from '../helpers/cli-io.ts'
import { CID_A } from '../helpers/fake-node.ts'

let lab: CliLab
beforeEach(() => {
  lab = new CliLab()
})
afterEach(() => lab.close())

test('a relative path is of the working folder', () => {
  expect(givenPath({ cwd: '/home/ann' }, '../film', 'share')).toBe('/home/film')
  expect(givenPath({ cwd: '/home/ann' }, '/film', 'share')).toBe('/film')
})

describe('nothing is hashed, shared or fetched', () => {
  test.each([[['share', '']], [['hash', '']], [['get', CID_A, '-o', '']]])('for an empty path: %j', async argv => {
    const run = await lab.run([...argv, '--json'])
    expect(run).toMatchObject({ code: 2, stderr: { text: expect.stringContaining('needs a path, not ""') } })
    expect(run.stdout.events).toMatchObject([{ event: 'error', code: 'ERR_USAGE' }])
    expect([lab.made, lab.hashed]).toEqual([[], []])
  })

  test.each([
    [['share', 'film']],
    [['hash', '.']],
    [['get', CID_A]],
    [['get', CID_A, '-o', 'film']],
    [['ls', '--data-dir', 'data']]
  ])('for a relative path where the working folder is gone: %j', async argv => {
    lab.isCwdGone = true
    const run = await lab.run([...argv, '--json'])
    expect(run).toMatchObject({
      code: 1,
      stderr: { text: 'shoal: the working folder does not exist any more; go to another, or give an absolute path\n' }
    })
    expect(run.stdout.events).toMatchObject([{ event: 'error', code: 'ERR_PATH_NOT_FOUND' }])
    expect([lab.made, lab.hashed]).toEqual([[], []])
  })
})

test('of several paths the others are shared', async () => {
  const run = await lab.run(['share', '', lab.dir, '--no-seed'])
  expect(run.code).toBe(2)
  expect(lab.node.calls.filter(({ method }) => method === 'share').map(({ args }) => args[0])).toEqual([lab.dir])
})

test('absolute paths still work where the working folder is gone', async () => {
  lab.isCwdGone = true
  lab.node.onFetch = transfer => transfer.finish()
  expect((await lab.run(['get', CID_A, '-o', `${lab.dir}/film`])).code).toBe(0)
  expect((await lab.run(['get', CID_A, '--cache'])).code).toBe(0)
  expect((await lab.run(['share', lab.dir, '--no-seed'])).code).toBe(0)
})
