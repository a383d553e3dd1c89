/** A seeded random source for the pure core: same seed, same run. Not for keys or secrets. */
export interface Random {
  /** A float in [0, 1). */
  next(): number
  /** An integer in [0, bound), bound at least 1. */
  below(bound: number): number
}

/** sfc32 (Chris Doty-Humphrey, PractRand), state filled from a 32-bit seed by splitmix32. */
export function seededRandom(seed: number): Random {
  let s = seed >>> 0
  const splitmix = () => {
    s = (s + 0x9e3779b9) >>> 0
    let z = s
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return (z ^ (z >>> 15)) >>> 0
  }
  let a = splitmix()
  let b = splitmix()
  let c = splitmix()
  let counter = 1
  const next32 = () => {
    const t = (((a + b) >>> 0) + counter) >>> 0
    counter = (counter + 1) >>> 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) >>> 0
    c = (((c << 21) | (c >>> 11)) + t) >>> 0
    return t
  }
  for (let i = 0; i < 12; i++) next32()
  return {
    next: () => next32() / 0x1_0000_0000,
    below: bound => Math.floor((next32() / 0x1_0000_0000) * bound)
  }
}
