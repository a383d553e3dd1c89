/** A temporary file or folder that is made and cannot be used. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { ContentStore } from '../../../src/content/store/content-store.ts'
import type { Disk } from '../../../src/content/store/disk.ts'
import { nodeDisk } from '../../../src/content/store/node-disk.ts'
import { bytes, contentOf, temporaryFolder } from './content.ts'
import { beginFetch, codeOf } from './stores.ts'

const stores: ContentStore[] = []
afterEach(async () => {
  await Promise.all(stores.splice(0).map(store => store.close()))
})

const fault = (code: string) => Object.assign(new Error(code), { code })

/** As FAT, where a file has 4 GiB at most. */
const small: Disk['open'] = async (path, mode) => {
  const file = await nodeDisk.open(path, mode)
  return new Proxy(file, {
    get: (target, name: keyof typeof file) => {
      if (name === 'truncate') return async () => Promise.reject(fault('EFBIG'))
      const value = target[name]
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
}

/** A folder is made, and nobody may write in it. */
const shut: Disk['open'] = async (path, mode) => {
  if (path.includes('.part/')) throw fault('EACCES')
  return await nodeDisk.open(path, mode)
}

/** The name of what is made cannot be kept. */
const unsynced = async (folder: string) => {
  if ((await readdir(folder)).some(name => name.endsWith('.part'))) throw fault('EIO')
  await nodeDisk.syncFolder(folder)
}

test.each<[string, string, Partial<Disk>, string]>([
  ['file', '', { open: small }, 'ERR_IO'],
  ['folder', 'a', { open: shut }, 'ERR_NO_PERMISSION'],
  ['file without a durable name', '', { syncFolder: unsynced }, 'ERR_IO'],
  ['folder without a durable name', 'a', { syncFolder: unsynced }, 'ERR_IO']
])('a %s is deleted again', async (_kind, name, part, code) => {
  const dir = await temporaryFolder()
  const content = await contentOf({ [name]: bytes(2500, 'a') })
  const store = await ContentStore.open(join(dir, 'data'), { disk: { ...nodeDisk, ...part } })
  stores.push(store)
  expect(await codeOf(beginFetch(store, content, join(dir, 'out')))).toBe(code)
  expect(await readdir(dir)).toEqual(['data'])
})
