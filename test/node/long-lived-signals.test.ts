/** Each `AbortSignal.any` leaves something on its sources for good (nodejs/node#54614); a node lives for months. */
import { afterEach, expect, it, vi } from 'vitest'
import { collect, eachWithLab, type NodeLab } from '../helpers/node-lab.ts'

let lab: NodeLab
eachWithLab(made => {
  lab = made
})
afterEach(() => vi.restoreAllMocks())

it('what is shared, read and fetched leaves nothing on the signal that ends the node', async () => {
  const node = await lab.start('node')
  const any = vi.spyOn(AbortSignal, 'any')
  const uses = new Map<AbortSignal, number>()
  const times = 5
  for (let time = 0; time < times; time++) {
    const { path, bytes } = lab.file(`file-${time}`, 1_000)
    const { cid } = await node.share(path)
    expect(await collect(node.read(cid))).toEqual(Buffer.from(bytes))
    await node.fetch(cid, { to: `${path}.copy` }).done
  }
  for (const [sources] of any.mock.calls) for (const one of sources) uses.set(one, (uses.get(one) ?? 0) + 1)
  expect(Math.max(0, ...uses.values())).toBeLessThan(times)
})
