/** What a caller is told of its fetch, however it ends. */
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { Transfer } from '../../src/index.ts'
import { eachWithLab, type NodeLab } from '../helpers/node-lab.ts'

let lab: NodeLab
eachWithLab(fresh => {
  lab = fresh
})

function statesOf(transfer: Transfer): string[] {
  const states: string[] = []
  transfer.on('state:changed', ({ state }) => states.push(state))
  return states
}

it('tells the end of a fetch of what is there already', async () => {
  const a = await lab.start('a')
  const b = await lab.start('b')
  const { link } = await a.share(lab.file('x.bin', 2_000_000).path)
  const to = join(lab.dir, 'y.bin')
  await b.fetch(link, { to }).done
  const again = b.fetch(link, { to })
  const states = statesOf(again)
  await again.done
  expect(states).toEqual(['done'])
  expect(again.snapshot()).toMatchObject({ state: 'done', path: to, have: 2_000_000, size: 2_000_000 })
})

it('tells the end of a fetch that fails before it has begun', async () => {
  const a = await lab.start('a')
  const { cid } = await a.share(lab.file('x.bin', 1000).path)
  const transfer = a.fetch(cid, { to: join(lab.dir, 'no/such/folder/y') })
  const states = statesOf(transfer)
  await expect(transfer.done).rejects.toMatchObject({ code: 'ERR_PATH_NOT_FOUND' })
  expect(states).toEqual(['failed'])
  expect(transfer.snapshot().state).toBe('failed')
})

it('tells one of two callers that it was cancelled, and nothing of how the other goes on', async () => {
  const a = await lab.start('a', { up: 2_000_000 })
  const b = await lab.start('b')
  const { link } = await a.share(lab.file('x.bin', 4_000_000).path)
  const to = join(lab.dir, 'y.bin')
  const [first, second] = [b.fetch(link, { to }), b.fetch(link, { to })]
  const [firstStates, secondStates] = [statesOf(first), statesOf(second)]
  await new Promise<void>(resolve => second.on('progressed', ({ have }) => have > 0 && resolve()))
  second.cancel()
  await expect(second.done).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  expect(secondStates.at(-1)).toBe('failed')
  await first.done
  expect(firstStates.at(-1)).toBe('done')
  expect(second.snapshot().state).toBe('failed')
  expect(secondStates.filter(state => state === 'done')).toEqual([])
})
