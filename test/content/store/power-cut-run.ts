/**
 * One history of a store on a simulated machine, cut off at a random operation, and what must hold when the power is
 * back. Everything follows from the seed.
 */
import { dirname, join } from 'node:path'
import { expect, vi } from 'vitest'
import { type Random, seededRandom } from '../../../src/base/random.ts'
import { fingerprintOf } from '../../../src/content/fingerprint.ts'
import { ContentStore } from '../../../src/content/store/content-store.ts'
import { Database } from '../../../src/content/store/database.ts'
import type { StoredRoot } from '../../../src/content/store/stored-root.ts'
import { SimulatedDisk } from '../../helpers/simulated-disk.ts'
import { SimulatedLevel } from '../../helpers/simulated-level.ts'
import { type Content, isPiece } from './content.ts'

const DATA = '/home/data'
const MAX_STEPS = 40
/** Operations of the disk and of LevelDB before the power goes; most histories have more. */
const MAX_OPERATIONS = 160

/** A promise that the store made, and that the cut must not break. */
interface Promised {
  /** `unknown`: a change was under way. */
  root: 'absent' | 'held' | 'unknown'
  /** Pieces of a fetch that `flush` resolved for. */
  recorded: Set<number>
  /** A move into place was under way: what is recorded may have to be hashed once more. */
  moving: boolean
  /** Places where a complete copy was acknowledged. */
  places: Set<string>
  /** Places whose files the store was told to delete: while there is no root, nothing is left there. */
  evicted: Set<string>
  /** The user's own files where something was fetched to, and what each may hold. */
  theirs: Map<string, readonly Buffer[]>
}

export interface Outcome {
  /** Whether the power went before the history was over. */
  readonly cut: boolean
  /** Pieces that were recorded, and those of them that had to be hashed again although nothing moved. */
  readonly recorded: number
  readonly hashed: number
}

class PowerCut extends Error {}

class Machine {
  disk: SimulatedDisk
  level = new SimulatedLevel()
  isOff = false
  readonly #random: Random
  #left: number

  constructor(random: Random, operations: number) {
    this.#random = random
    this.#left = operations
    this.disk = new SimulatedDisk(random.below(2) === 0 ? 'posix' : 'journaled')
    this.#wire()
  }

  /** The power comes back, and goes again after so many operations. */
  restart(operations: number): void {
    this.disk = this.disk.afterCut(this.#random)
    this.level = this.level.afterCut(this.#random)
    this.#left = operations
    this.isOff = false
    this.#wire()
  }

  async open(): Promise<ContentStore> {
    return await ContentStore.open(DATA, {
      disk: this.disk,
      openDatabase: async folder => {
        await this.disk.mkdirs(folder)
        return new Database(folder, this.level)
      }
    })
  }

  #wire(): void {
    const { disk, level } = this
    const step = async () => {
      if (this.disk !== disk) throw new PowerCut()
      this.#left -= 1
      if (this.#left < 0) this.isOff = true
      if (this.isOff) throw new PowerCut()
      for (let turns = this.#random.below(4); turns > 0; turns--) await null
      if (this.isOff || this.disk !== disk) throw new PowerCut()
      return undefined
    }
    disk.trouble = step
    level.trouble = async () => void (await step())
  }
}

/** A fixed history that is cut off after so many operations, or one drawn from the seed. */
export interface CutAt {
  readonly operations: number
  readonly day?: 'usual' | 'tidying' | 'forcing'
  /** Everything is removed as soon as the power is back. */
  readonly removed?: boolean
}

/** The same content may be shared by the user where it lies, and fetched elsewhere. */
export async function runPowerCut(seed: number, contents: readonly Content[], fixed?: CutAt): Promise<Outcome> {
  const random = seededRandom(seed)
  const machine = new Machine(random, Number.POSITIVE_INFINITY)
  for (const [i, content] of contents.entries()) plant(machine.disk, content, `/home/own/${i}`)
  machine.disk.plant('/home/out/other', Buffer.from('not ours'))
  machine.restart(fixed?.operations ?? random.below(MAX_OPERATIONS))
  const promised = contents.map(
    (): Promised => ({
      root: 'absent',
      recorded: new Set(),
      moving: false,
      places: new Set(),
      evicted: new Set(),
      theirs: new Map()
    })
  )
  try {
    await historyOf(fixed)(machine, { random, contents, promised })
  } catch (err) {
    if (!machine.isOff) throw err
  }
  vi.clearAllTimers()
  const cut = machine.isOff
  const recorded = promised.reduce((sum, { recorded }) => sum + recorded.size, 0)
  machine.isOff = true
  // The power goes again while the store recovers, sometimes.
  for (let again = random.below(3); again > 0; again--) {
    machine.restart(random.below(40))
    const recovery = recover(machine, contents)
    await (fixed?.removed === true ? recovery.then(store => removeAll(store, contents)) : recovery).catch(err => {
      if (!machine.isOff) throw err
    })
    vi.clearAllTimers()
  }
  machine.restart(Number.POSITIVE_INFINITY)
  const isRemoved = fixed?.removed === true
  const hashed = isRemoved ? await judgeRemoved(machine, contents, promised) : await judge(machine, contents, promised)
  vi.clearAllTimers()
  return { cut, recorded, hashed }
}

const ownPath = (i: number) => `/home/own/${i}`
const outPath = (i: number) => `/home/out/${i}`

function plant(disk: SimulatedDisk, content: Content, path: string): void {
  for (const [index, entry] of content.manifest.entries.entries()) {
    if (entry.kind === 'file') disk.plant(join(path, entry.path), content.file(index))
  }
}

interface HistoryInit {
  readonly random: Random
  readonly contents: readonly Content[]
  readonly promised: readonly Promised[]
}

function historyOf(fixed: CutAt | undefined) {
  if (fixed === undefined) return drawnHistory
  return { usual: fixedHistory, tidying: tidyingHistory, forcing: forcingHistory }[fixed.day ?? 'usual']
}

/** Each content is fetched over files of the user's, twice over the same, and over what is there already. */
async function forcingHistory(machine: Machine, { contents, promised }: HistoryInit): Promise<void> {
  const subjects = contents.map((content, i): Subject => ({ i, content, truth: promised[i] as Promised }))
  for (const subject of subjects) plantTheirs(machine.disk, subject)
  let store = await machine.open()
  for (const subject of subjects) {
    const { content, truth, i } = subject
    await fetchTo(store, { ...subject, force: true })
    const root = store.get(content.manifest.root)
    await root?.write(0, 1, [content.piece(0)])
    if (root !== undefined) await flush(root, truth)
    if (i % 2 === 1) {
      await store.close()
      store = await machine.open()
      await fetchTo(store, { ...subject, force: true })
    }
    await finish(store.get(content.manifest.root), content, truth)
    await remove(store, content, truth)
    await fetchTo(store, { ...subject, force: true })
    await finish(store.get(content.manifest.root), content, truth)
  }
  await store.close()
}

/** Of the names that the content has, and one beside them. */
function plantTheirs(disk: SimulatedDisk, { content, truth, i }: Subject): void {
  const theirs = (path: string, ...later: readonly Buffer[]) => {
    const bytes = Buffer.from(`the user's ${path}`)
    disk.plant(path, bytes)
    truth.theirs.set(path, [bytes, ...later])
  }
  const files = [...content.manifest.entries.entries()].filter(([, { kind }]) => kind === 'file')
  for (const [index, entry] of files.slice(0, 2)) theirs(join(outPath(i), entry.path), content.file(index))
  if (content.manifest.entries[0]?.kind === 'directory') theirs(join(outPath(i), 'mine/too'))
}

/** The first content is fetched, let go and deleted again and again, in several states; the others stay pinned. */
async function tidyingHistory(machine: Machine, { contents, promised }: HistoryInit): Promise<void> {
  let store = await machine.open()
  const subjects = contents.map((content, i): Subject => ({ i, content, truth: promised[i] as Promised }))
  for (const { content, truth, i } of subjects) {
    await fetchTo(store, { i, content, truth })
    const root = store.get(content.manifest.root)
    await finish(root, content, truth)
  }
  const [first, second] = subjects
  if (first === undefined || second === undefined) return
  await store.setEvictable(first.content.manifest.root, true)
  await evict(store, first)
  await collect(store)
  // unfinished this time, and the other is let go and kept again
  await fetchTo(store, first)
  await store.get(first.content.manifest.root)?.write(0, 1, [first.content.piece(0)])
  await store.setEvictable(first.content.manifest.root, true)
  await store.setEvictable(second.content.manifest.root, true)
  await store.setEvictable(second.content.manifest.root, false)
  expect(await store.evict(second.content.manifest.root)).toBeUndefined()
  await evict(store, first)
  await store.close()
  store = await machine.open()
  await fetchTo(store, first)
  await finish(store.get(first.content.manifest.root), first.content, first.truth)
  await store.setEvictable(first.content.manifest.root, true)
  await store.close()
  store = await machine.open()
  await evict(store, first)
  await collect(store)
  await store.close()
}

async function collect(store: ContentStore): Promise<void> {
  const { items } = await store.collectGarbage({ dryRun: false, deletePartials: true })
  expect(items).toEqual([])
}

async function evict(store: ContentStore, { content, truth }: Subject): Promise<void> {
  const root = store.get(content.manifest.root)
  if (root === undefined) return
  truth.root = 'unknown'
  truth.recorded.clear()
  truth.places.delete(root.path)
  truth.evicted.add(root.path)
  expect((await store.evict(content.manifest.root))?.left).toEqual([])
  truth.root = 'absent'
}

/** Everything once, in the usual order. */
async function fixedHistory(machine: Machine, { contents, promised }: HistoryInit): Promise<void> {
  let store = await machine.open()
  for (const [i, content] of contents.entries()) {
    const truth = promised[i] as Promised
    await fetchTo(store, { i, content, truth })
    const root = store.get(content.manifest.root)
    await root?.write(0, 1, [content.piece(0)])
    if (root !== undefined) await flush(root, truth)
    await finish(root, content, truth)
  }
  await store.close()
  store = await machine.open()
  for (const [i, content] of contents.entries()) {
    const truth = promised[i] as Promised
    const { disk } = machine
    await shareOwn(store, disk, { i, content, truth })
    await fetchTo(store, { i, content, truth })
    await remove(store, content, truth)
  }
  const subjects = contents.map((content, i): Subject => ({ i, content, truth: promised[i] as Promised }))
  for (const { content, ...subject } of subjects) {
    await fetchTo(store, { ...subject, content, to: `/home/out/more/new/${subject.i}` })
    const root = store.get(content.manifest.root)
    await root?.write(0, 1, [content.piece(0)])
    if (root !== undefined) await flush(root, subject.truth)
  }
  for (const subject of subjects) await shareOwn(store, machine.disk, subject)
  await store.close()
}

async function drawnHistory(machine: Machine, { random, contents, promised }: HistoryInit): Promise<void> {
  let store = await machine.open()
  for (let steps = MAX_STEPS; steps > 0; steps--) {
    const i = random.below(contents.length)
    const content = contents[i] as Content
    const truth = promised[i] as Promised
    const root = store.get(content.manifest.root)
    switch (random.below(9)) {
      case 0:
        if (random.below(4) === 0) await shareOwn(store, machine.disk, { i, content, truth })
        break
      case 1:
      case 2:
        await fetchTo(store, { i, content, truth })
        break
      case 3:
      case 4:
      case 5:
        await write(root, content, random)
        break
      case 6:
        if (root?.isLoaded !== true || root.state !== 'partial') break
        await flush(root, truth)
        break
      case 7:
        if (random.below(2) === 0) await vi.advanceTimersByTimeAsync(random.below(1500))
        else await finish(root, content, truth)
        break
      case 8:
        if (random.below(2) === 0) {
          await store.close()
          store = await machine.open()
          break
        }
        if (root !== undefined && random.below(2) === 0) await remove(store, content, truth)
    }
  }
  await store.close()
}

async function flush(root: StoredRoot, truth: Promised): Promise<void> {
  if (root.state !== 'partial') return
  await root.flush()
  for (const piece of root.have.ones()) truth.recorded.add(piece)
}

interface Subject {
  readonly i: number
  readonly content: Content
  readonly truth: Promised
}

async function shareOwn(store: ContentStore, disk: SimulatedDisk, { i, content, truth }: Subject): Promise<void> {
  const { manifest, blocks } = content
  const path = ownPath(i)
  const fingerprints = new Map()
  for (const [index, entry] of manifest.entries.entries()) {
    if (entry.kind === 'file') fingerprints.set(index, fingerprintOf(await disk.lstat(join(path, entry.path))))
  }
  const before = truth.root
  truth.root = before === 'held' ? 'held' : 'unknown'
  // What an unfinished fetch has may go: the content is complete elsewhere.
  truth.recorded.clear()
  await store.addShared({ manifest, blocks, path, name: `own ${i}`, fingerprints })
  truth.root = 'held'
}

async function fetchTo(
  store: ContentStore,
  {
    i,
    content,
    truth,
    to: path = outPath(i),
    force = false
  }: Subject & { readonly to?: string; readonly force?: boolean }
): Promise<void> {
  const { manifest, blocks } = content
  const before = truth.root
  truth.root = before === 'held' ? 'held' : 'unknown'
  const root = await store.beginFetch({ manifest, blocks, path, name: `get ${i}`, force })
  await root.recheckUnrecorded()
  truth.root = 'held'
  truth.evicted.delete(path)
  if (root.state === 'complete') truth.places.add(path)
}

async function write(root: StoredRoot | undefined, content: Content, random: Random): Promise<void> {
  if (root?.isLoaded !== true || root.state !== 'partial') return
  const { count } = root.pieces
  const first = random.below(count)
  const end = Math.min(count, first + 1 + random.below(6))
  const pieces = Array.from({ length: end - first }, (_, k) => content.piece(first + k))
  await root.write(first, end - first, pieces)
}

/** Fetches the rest and moves it into place. */
async function finish(root: StoredRoot | undefined, content: Content, truth: Promised): Promise<void> {
  if (root?.isLoaded !== true || root.state !== 'partial') return
  for (let piece = 0; piece < root.pieces.count; piece++) {
    if (!root.have.has(piece)) await root.write(piece, 1, [content.piece(piece)])
  }
  truth.moving = true
  await root.complete()
  truth.moving = false
  truth.recorded.clear()
  truth.places.add(root.path)
}

async function remove(store: ContentStore, content: Content, truth: Promised): Promise<void> {
  truth.root = 'unknown'
  truth.recorded.clear()
  await store.remove(content.manifest.root)
  truth.root = 'absent'
  truth.moving = false
}

/** What a daemon does when it starts. */
async function recover(machine: Machine, contents: readonly Content[]): Promise<ContentStore> {
  const store = await machine.open()
  for (const { manifest } of contents) {
    const root = store.get(manifest.root)
    if (root === undefined) continue
    await root.load()
    await root.recheckUnrecorded()
    await root.checkFiles()
  }
  return store
}

/** @returns how many recorded pieces had to be hashed again */
async function judge(machine: Machine, contents: readonly Content[], promised: readonly Promised[]): Promise<number> {
  const store = await machine.open()
  expect(store.damage).toEqual([])
  let hashed = 0
  for (const [i, content] of contents.entries()) {
    const truth = promised[i] as Promised
    const root = store.get(content.manifest.root)
    await root?.load()
    expectTheirs(machine.disk, truth)
    if (truth.root !== 'unknown') expect([i, root === undefined]).toEqual([i, truth.root === 'absent'])
    if (root !== undefined) hashed += await judgeRoot(store, content, truth)
    for (const place of truth.places) expectContent(machine.disk, content, place)
    for (const place of truth.evicted) {
      const left = [...machine.disk.paths('/home/out')].filter(path => path === place || path.startsWith(`${place}/`))
      if (root === undefined) expect(left).toEqual([])
      else if (root.state === 'complete') expectContent(machine.disk, content, place)
    }
    expectContent(machine.disk, content, ownPath(i))
    expectTheirs(machine.disk, truth)
  }
  expect(machine.disk.peek('/home/out/other')?.toString()).toBe('not ours')
  await expectNoLeftovers(machine, store, contents)
  await store.close()
  return hashed
}

async function removeAll(store: ContentStore, contents: readonly Content[]): Promise<void> {
  for (const { manifest } of contents) if (store.get(manifest.root) !== undefined) await store.remove(manifest.root)
}

async function judgeRemoved(
  machine: Machine,
  contents: readonly Content[],
  promised: readonly Promised[]
): Promise<number> {
  const store = await machine.open()
  await removeAll(store, contents)
  for (const truth of promised) expectTheirs(machine.disk, truth)
  await expectNoLeftovers(machine, store, contents)
  await store.close()
  return 0
}

/** Each of the user's files is as it was, or replaced. */
function expectTheirs(disk: SimulatedDisk, { theirs }: Promised): void {
  for (const [path, ones] of theirs) {
    const there = disk.peek(path)
    expect([path, ones.some(one => there?.equals(one))]).toEqual([path, true])
  }
}

async function judgeRoot(store: ContentStore, content: Content, truth: Promised): Promise<number> {
  const { manifest, blocks } = content
  const root = store.get(manifest.root)
  if (root === undefined) return 0
  await root.load()
  let hashed = 0
  if (root.state === 'partial') {
    for (const piece of truth.recorded) if (!root.have.has(piece)) hashed += 1
    if (!truth.moving) expect(hashed).toBe(0)
    await expectTrue(root, content)
    await root.recheckUnrecorded()
    for (const piece of truth.recorded) expect([piece, root.have.has(piece)]).toEqual([piece, true])
  }
  await root.checkFiles()
  await expectTrue(root, content)
  if (root.state !== 'partial') {
    expect([root.state, root.have.isFull]).toEqual(['complete', true])
    return hashed
  }
  // what is in the way is replaced only by who asks for that again
  if (truth.theirs.size > 0) {
    expect(await store.beginFetch({ manifest, blocks, path: root.path, name: 'again', force: true })).toBe(root)
  }
  await finish(root, content, truth)
  expect(root.state).toBe('complete')
  expect((await root.verify()).bad).toEqual([])
  return hashed
}

/** Every piece that would be advertised is there, and is that piece. */
async function expectTrue(root: StoredRoot, content: Content): Promise<void> {
  for (const piece of root.have.ones()) {
    const block = await root.read(root.pieces.offset(piece), root.pieces.wireSize(piece))
    expect([piece, isPiece(content, piece, block)]).toEqual([piece, true])
  }
}

function expectContent(disk: SimulatedDisk, content: Content, path: string): void {
  for (const [index, entry] of content.manifest.entries.entries()) {
    if (entry.kind !== 'file') continue
    const at = join(path, entry.path)
    expect([at, disk.peek(at)?.equals(content.file(index))]).toEqual([at, true])
  }
}

/** No record without a root, and no temporary file that no root knows. */
async function expectNoLeftovers(machine: Machine, store: ContentStore, contents: readonly Content[]): Promise<void> {
  const ids = new Set(contents.map(({ manifest }) => store.get(manifest.root)?.id).filter(id => id !== undefined))
  for (const kind of ['node', 'file', 'have', 'written', 'env']) {
    for (const key of machine.level.keysOf(`${kind}/`))
      expect(ids).toContain(Number.parseInt(key.split('/')[1] ?? '', 16))
  }
  const { disk } = machine
  const left = [...disk.paths('/home/out')].filter(path => path.endsWith('.part') && dirname(path) === '/home/out')
  // An empty one may stay where the cut came right after it was made.
  const full = left.filter(
    path =>
      disk.peek(path)?.some(byte => byte !== 0) ?? [...disk.paths(path)].some(inner => !inner.endsWith('.shoal-probe'))
  )
  expect(full).toEqual([])
}
