import { realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** The path without symbolic links, as far as it exists: what is missing is appended as it is. @param path absolute */
export async function realPathOf(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch {
    const parent = dirname(path)
    return parent === path ? path : join(await realPathOf(parent), basename(path))
  }
}
