/** Nodes of this process on loopback, with a temporary folder for each test; all gone when it ends. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'vitest'
import { createNode, type NodeOptions, type ShoalNode } from '../../src/index.ts'
import { keystream } from './keystream.ts'

export class NodeLab {
  readonly dir = mkdtempSync(join(tmpdir(), 'shoal-nodes-'))
  readonly #nodes: ShoalNode[] = []

  /** Not started yet. */
  async make(name: string, options: Partial<NodeOptions> = {}): Promise<ShoalNode> {
    const node = await createNode({ dataDir: join(this.dir, name), listen: ['/ip4/127.0.0.1/tcp/0'], ...options })
    this.#nodes.push(node)
    return node
  }

  async start(name: string, options: Partial<NodeOptions> = {}): Promise<ShoalNode> {
    const node = await this.make(name, options)
    await node.start()
    return node
  }

  /** A file of `length` bytes that follow from its name. */
  file(name: string, length: number): { path: string; bytes: Uint8Array } {
    const bytes = keystream(length, name)
    const path = join(this.dir, name)
    writeFileSync(path, bytes)
    return { path, bytes }
  }

  async close(): Promise<void> {
    await Promise.all(this.#nodes.map(node => node.stop()))
    rmSync(this.dir, { recursive: true, force: true })
  }
}

/** A lab for each test of the file. */
export function eachWithLab(set: (lab: NodeLab) => void): void {
  let lab: NodeLab
  beforeEach(() => {
    lab = new NodeLab()
    set(lab)
  })
  afterEach(() => lab.close())
}

export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}
