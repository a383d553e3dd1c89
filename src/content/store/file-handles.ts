/**
 * Open files, at most `limit` kept, least recently used closed first, and sooner where others need room or it is long
 * unused. A handle in use is never closed: while more than `limit` are in use at once there are more (callers bound their
 * own concurrency).
 */
import type { DiskFile } from './disk.ts'
import { type IdleHandles, idleHandles } from './idle-handles.ts'

interface Slot {
  readonly handle: Promise<DiskFile>
  /** Closes it while nobody uses it. */
  readonly release: () => void
  users: number
  dropped: boolean
}

export class FileHandles {
  readonly #slots = new Map<string, Slot>()
  readonly #limit: number
  readonly #open: (path: string) => Promise<DiskFile>
  readonly #idle: IdleHandles
  readonly #closing = new Set<Promise<void>>()

  /** @param openFile how a path is opened; its error reaches whoever asked */
  constructor(limit: number, openFile: (path: string) => Promise<DiskFile>, idle: IdleHandles = idleHandles) {
    this.#limit = limit
    this.#open = openFile
    this.#idle = idle
  }

  /** Runs `work` with an open handle, which stays open afterwards while there is room. */
  async use<T>(path: string, work: (handle: DiskFile) => Promise<T>): Promise<T> {
    const slot = this.#slots.get(path) ?? this.#begin(path)
    // Last in the map is the most recently used.
    this.#slots.delete(path)
    this.#slots.set(path, slot)
    this.#idle.take(slot.release)
    slot.users += 1
    try {
      return await work(await slot.handle)
    } catch (err) {
      // A handle that failed may be of a file that was replaced: the next caller opens anew.
      this.#drop(path, slot)
      throw err
    } finally {
      slot.users -= 1
      if (slot.dropped && slot.users === 0) await close(slot)
      else if (slot.users === 0) this.#idle.put(slot.release)
      await this.#trim()
    }
  }

  /** The next `use` of the path opens it again. */
  async forget(path: string): Promise<void> {
    const slot = this.#slots.get(path)
    if (slot === undefined) return
    this.#drop(path, slot)
    if (slot.users === 0) await close(slot)
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#slots.keys()].map(path => this.forget(path)))
    await Promise.all(this.#closing)
  }

  #begin(path: string): Slot {
    const release = () => this.#release(path, slot)
    const slot: Slot = { handle: this.#open(path), release, users: 0, dropped: false }
    return slot
  }

  #release(path: string, slot: Slot): void {
    this.#drop(path, slot)
    const closing = close(slot).finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
  }

  #drop(path: string, slot: Slot): void {
    slot.dropped = true
    this.#idle.take(slot.release)
    if (this.#slots.get(path) === slot) this.#slots.delete(path)
  }

  async #trim(): Promise<void> {
    if (this.#slots.size <= this.#limit) return
    const closing: Array<Promise<void>> = []
    for (const [path, slot] of this.#slots) {
      if (this.#slots.size <= this.#limit) break
      if (slot.users > 0) continue
      this.#drop(path, slot)
      closing.push(close(slot))
    }
    await Promise.all(closing)
  }
}

async function close(slot: Slot): Promise<void> {
  const handle = await slot.handle.catch(() => undefined)
  await handle?.close().catch(() => {})
}
