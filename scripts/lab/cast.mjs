/** Who plays which part in the demo, drawn from a printed seed. */

/**
 * @typedef {object} Cast
 * @property {number} seed
 * @property {number[]} toldOf toldOf[k]: the one node that node k is told of; node 1 is the first and told of none
 * @property {number[]} fetchers three nodes
 * @property {number} contact the node that the newcomer is told of: neither the sharer nor a fetcher
 */

/**
 * @param {number} seed
 * @param {number} nodes
 * @returns {Cast}
 */
export function drawCast(seed, nodes) {
  const random = mulberry32(seed)
  /** @param {number} bound */
  const below = bound => Math.floor(random() * bound)
  const toldOf = [0, 0]
  for (let node = 2; node <= nodes; node++) toldOf[node] = 1 + below(node - 1)
  const others = Array.from({ length: nodes - 1 }, (_, i) => i + 2)
  for (let i = others.length - 1; i > 0; i--) {
    const j = below(i + 1)
    const swapped = others[i] ?? 0
    others[i] = others[j] ?? 0
    others[j] = swapped
  }
  return { seed, toldOf, fetchers: others.slice(0, 3).sort((a, b) => a - b), contact: others[3] ?? 0 }
}

/** Tommy Ettinger's generator: 32 bits of state, good enough to cast parts. @param {number} seed */
export function mulberry32(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let z = state
    z = Math.imul(z ^ (z >>> 15), z | 1)
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61)
    return ((z ^ (z >>> 14)) >>> 0) / 0x1_0000_0000
  }
}
