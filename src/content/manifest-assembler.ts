/**
 * Collects the DAG nodes of a root one by one, each checked against its CID, and derives the manifest from them.
 *
 * Node order: pre-order, depth first, links in stored order, each distinct node once. It follows from the DAG alone, so
 * that "DAG node 17 of this root" means the same to every peer. A raw root is its own node 0.
 */
import type { CID } from 'multiformats/cid'
import { ShoalError } from '../base/errors.ts'
import { sha256 } from '../base/sha256.ts'
import { checkCid, cidOf, DAG_PB, RAW } from './cid.ts'
import { DagNode } from './dag-node.ts'
import { DigestTable } from './digest-table.ts'
import { malformedRoot } from './malformed-root.ts'
import type { Manifest } from './manifest.ts'
import { DEFAULT_MANIFEST_LIMITS, type ManifestLimits } from './manifest-limits.ts'
import { walkManifest, walkRawRoot } from './manifest-walk.ts'
import { MAX_PIECE_BYTES } from './piece-map.ts'

interface Frame {
  readonly node: DagNode
  next: number
}

/**
 * Invariant: `#nodes` numbers the nodes added so far and, unless complete, the one that is expected next; `#stack` holds
 * the nodes on the way to it.
 */
export class ManifestAssembler {
  /** CIDv1. */
  readonly root: CID
  readonly #limits: ManifestLimits
  readonly #blocks: Uint8Array[] = []
  readonly #nodes = new DigestTable()
  readonly #stack: Frame[] = []
  #nodeBytes = 0
  #complete = false
  #fault: ShoalError | undefined

  /** @throws ERR_UNSUPPORTED_CID */
  constructor(root: CID, limits: Partial<ManifestLimits> = {}) {
    checkCid(root)
    this.root = cidOf(root.code === RAW ? RAW : DAG_PB, root.multihash.digest)
    this.#limits = { ...DEFAULT_MANIFEST_LIMITS, ...limits }
    this.#nodes.add(this.root.multihash.digest)
  }

  /** DAG nodes added so far. */
  get known(): number {
    return this.#blocks.length
  }

  get complete(): boolean {
    return this.#complete
  }

  /** The CID of node `known`: what to ask for next. Undefined when complete. */
  get nextCid(): CID | undefined {
    return this.#complete ? undefined : this.#cid(this.known)
  }

  /**
   * Adds the block of `nextCid`; it is kept, not copied.
   * @throws ERR_BAD_DATA where the hash differs: the fault of who sent it, and nothing changed; ERR_MALFORMED_ROOT where
   * the hash is right and the content nonsense: from then on every call throws it
   */
  add(block: Uint8Array): void {
    if (this.#fault !== undefined) throw this.#fault
    if (this.#complete) throw new ShoalError('ERR_BUG', `all DAG nodes of ${this.root} are known`)
    const digest = sha256([block])
    if (!digest.equals(this.#nodes.digest(this.known))) {
      throw new ShoalError('ERR_BAD_DATA', `DAG node ${this.known} of ${this.root} does not match its hash`, {
        details: { node: this.known }
      })
    }
    try {
      this.#accept(block)
    } catch (err) {
      if (err instanceof ShoalError) this.#fault = err
      throw err
    }
  }

  /** The blocks added so far, in node index order. */
  blocks(): readonly Uint8Array[] {
    return this.#blocks
  }

  /** @throws ERR_MALFORMED_ROOT; ERR_BUG while incomplete */
  finish(): Manifest {
    if (this.#fault !== undefined) throw this.#fault
    if (!this.#complete) throw new ShoalError('ERR_BUG', `DAG nodes of ${this.root} are missing`)
    if (this.root.code === RAW) return walkRawRoot(this.root, this.#blocks[0]?.byteLength ?? 0)
    const source = {
      root: this.root,
      nodes: this.#blocks.map((_, index) => this.#cid(index)),
      block: (index: number) => this.#blocks[index] ?? new Uint8Array(0),
      indexOf: (digest: Uint8Array, at: number) => {
        const index = this.#nodes.find(digest, at)
        if (index === undefined) throw new ShoalError('ERR_BUG', 'a DAG node that was never asked for')
        return index
      }
    }
    return walkManifest(source, this.#limits)
  }

  #accept(block: Uint8Array): void {
    if (this.root.code === RAW) {
      if (block.byteLength > MAX_PIECE_BYTES) throw malformedRoot(`a piece of ${block.byteLength} bytes`)
      this.#blocks.push(block)
      this.#complete = true
      return
    }
    this.#nodeBytes += block.byteLength
    if (this.#nodeBytes > this.#limits.nodeBytes)
      throw malformedRoot(`more than ${this.#limits.nodeBytes} bytes of DAG nodes`)
    const node = new DagNode(block, this.#limits.links)
    if (this.#stack.length >= this.#limits.depth) throw malformedRoot(`more than ${this.#limits.depth} levels`)
    this.#blocks.push(block)
    this.#stack.push({ node, next: 0 })
    this.#complete = !this.#advance()
  }

  /** Finds the next node that is not known yet. Returns false when there is none. */
  #advance(): boolean {
    for (let frame = this.#stack.at(-1); frame !== undefined; frame = this.#stack.at(-1)) {
      while (frame.next < frame.node.linkCount) {
        const link = frame.next++
        if (!frame.node.leadsToNode(link)) continue
        const index = this.#nodes.add(frame.node.block, frame.node.digestOffset(link))
        if (index < this.known) continue
        if (index >= this.#limits.nodes) throw malformedRoot(`more than ${this.#limits.nodes} DAG nodes`)
        return true
      }
      this.#stack.pop()
    }
    return false
  }

  #cid(index: number): CID {
    return cidOf(this.root.code === RAW ? RAW : DAG_PB, this.#nodes.digest(index))
  }
}

/**
 * The manifest of blocks that are all at hand, in node index order.
 * @throws ERR_BAD_DATA where a block does not match or is missing; ERR_MALFORMED_ROOT
 */
export function assembleManifest(
  root: CID,
  blocks: Iterable<Uint8Array>,
  limits: Partial<ManifestLimits> = {}
): Manifest {
  const assembler = new ManifestAssembler(root, limits)
  for (const block of blocks) assembler.add(block)
  if (!assembler.complete) throw new ShoalError('ERR_BAD_DATA', `DAG nodes of ${root} are missing`)
  return assembler.finish()
}

/**
 * The manifest of a raw root whose block is not at hand: one file, one piece.
 * @param size bytes of the block, 0 to MAX_PIECE_BYTES
 * @throws ERR_MALFORMED_ROOT
 */
export function rawRootManifest(root: CID, size: number): Manifest {
  return walkRawRoot(cidOf(RAW, checkCid(root).multihash.digest), size)
}
