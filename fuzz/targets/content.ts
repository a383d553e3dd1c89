/** What a root is made of: DAG nodes as bytes, and whole DAGs of hostile shape. */
import { DagNode, leafData } from '../../src/content/dag-node.ts'
import type { Manifest } from '../../src/content/manifest.ts'
import { ManifestAssembler } from '../../src/content/manifest-assembler.ts'
import { MAX_PATH_BYTES } from '../../src/content/manifest-limits.ts'
import { nameProblem } from '../../src/content/safe-path.ts'
import { linkProblem, linksOf } from '../../src/content/store/link-target.ts'
import { filePartsOf } from '../../src/content/unixfs-reader.ts'
import { claim, orDeclared, type Target, utf8 } from '../target.ts'
import { buildDag, dagSeeds } from './hostile-dag.ts'

const MALFORMED = ['ERR_MALFORMED_ROOT'] as const

export const dagNodes: Target = {
  name: 'dag-nodes',
  claims: 'a node whose every part lies within its block, or a declared error',
  maxBytes: 16_384,
  seeds: () =>
    dagSeeds()
      .flatMap(input => [...buildDag(input).blocks.values()])
      .slice(0, 40),
  run: input => {
    const node = orDeclared(MALFORMED, () => new DagNode(input))
    if (node === undefined) return
    const end = input.byteLength
    claim(node.dataOffset + node.dataLength <= end, 'data past the end')
    claim(node.linkCount * 36 <= end, `${node.linkCount} links in ${end} bytes`)
    claim(node.blockSizes.length <= node.linkCount, 'more sizes than links')
    for (let link = 0; link < node.linkCount; link++) {
      claim(node.digestOffset(link) + 32 <= end, 'a digest past the end')
      claim(node.cid(link).multihash.digest.byteLength === 32, 'a digest of another length')
      node.nameBytes(link)
      node.leadsToNode(link)
    }
    orDeclared(MALFORMED, () => leafData(input, node.dataLength))
  }
}

/** Small enough for random DAGs to reach. */
const LIMITS = {
  links: 2_000,
  nodes: 60,
  nodeBytes: 256 * 1024,
  depth: 24,
  entries: 1_500,
  spans: 4_000,
  pathBytes: 40_000,
  repeatedBytes: 1024 * 1024,
  repeats: 3_000
}
const MAX_VISITS = LIMITS.nodes + LIMITS.repeatedBytes / 512

export const manifests: Target = {
  name: 'manifests',
  claims: 'a manifest within its limits whose paths are safe and whose files have no gap, or a declared error',
  maxBytes: 2_048,
  seeds: dagSeeds,
  run: input => {
    const { root, blocks } = buildDag(input)
    if (root === undefined) return
    const manifest = orDeclared(MALFORMED, () => {
      const assembler = new ManifestAssembler(root, LIMITS)
      for (let cid = assembler.nextCid; cid !== undefined; cid = assembler.nextCid) {
        const block = blocks.get(Buffer.from(cid.multihash.digest).toString('hex'))
        if (block === undefined) return undefined
        assembler.add(block)
        claim(assembler.known <= LIMITS.nodes, `${assembler.known} nodes`)
      }
      return assembler.finish()
    })
    if (manifest !== undefined) check(manifest)
  }
}

function check(manifest: Manifest): void {
  claim(manifest.entries.length <= LIMITS.entries, `${manifest.entries.length} entries`)
  claim(manifest.spanCount <= LIMITS.spans, `${manifest.spanCount} spans`)
  claim(manifest.inline.length <= MAX_VISITS, `${manifest.inline.length} inline spans`)
  const paths = new Set<string>()
  let total = 0
  for (const [index, entry] of manifest.entries.entries()) {
    claim(!paths.has(entry.path), 'a path twice')
    paths.add(entry.path)
    checkPath(entry.path, index)
    if (entry.kind !== 'file') continue
    total += entry.size
    let at = 0
    for (const part of filePartsOf(manifest, index)) {
      claim(part.fileOffset === at && part.length > 0, 'a gap or an overlap')
      at += part.length
    }
    claim(at === entry.size, `${at} bytes of ${entry.size}`)
  }
  claim(total === manifest.totalBytes, 'another sum')
  for (let piece = 0; piece < manifest.pieces.count; piece++)
    claim(manifest.spansOf(piece).length > 0, 'a piece without a place')
  const links = linksOf(manifest.entries)
  for (const [path, target] of links) linkProblem(path, target, links)
}

function checkPath(path: string, index: number): void {
  claim((path === '') === (index === 0), 'a root that is none')
  claim(utf8(path).byteLength <= MAX_PATH_BYTES, 'a path too long')
  if (index > 0) for (const part of path.split('/')) claim(nameProblem(utf8(part)) === undefined, `the path ${path}`)
}
