/** What the bundler is told about single packages. Each fails the build when its package no longer looks as it did. */

/** @typedef {import('rolldown').Plugin} Plugin */

/**
 * LevelDB's binding finds its native code beside itself, so it stays where it is; the JavaScript around it is bundled.
 *
 * @returns {Plugin}
 */
export function leaveNative() {
  let found = false
  return {
    name: 'leave-native',
    resolveId: (specifier, importer) => {
      if (specifier !== './binding' || importer?.includes('/node_modules/classic-level/') !== true) return undefined
      found = true
      return { id: 'classic-level/binding.js', external: true }
    },
    buildEnd: () => {
      if (!found) throw new Error('classic-level has no ./binding any more: see where it loads its native code')
    }
  }
}

/**
 * 65,536 numbers below 2^24: as source text half of the DHT, and the slowest of all modules to compile.
 *
 * @returns {Plugin}
 */
export function packPrefixes() {
  let found = false
  return {
    name: 'pack-prefixes',
    transform: (code, id) => {
      if (!id.endsWith('/kad-dht/dist/src/routing-table/generated-prefix-list.js')) return undefined
      found = true
      const numbers = JSON.parse(code.replace(/^export default /, '').replace(/;\s*(\/\/.*\s*)?$/, ''))
      const packed = Buffer.alloc(4 * numbers.length)
      for (const [i, number] of numbers.entries()) packed.writeUInt32LE(number, 4 * i)
      return `const bytes = Buffer.from('${packed.toString('base64')}', 'base64')
const numbers = new Uint32Array(${numbers.length})
for (let i = 0; i < numbers.length; i++) numbers[i] = bytes.readUInt32LE(4 * i)
export default numbers`
    },
    buildEnd: () => {
      if (!found) throw new Error('kad-dht has no generated-prefix-list.js any more: then this plugin can go')
    }
  }
}
