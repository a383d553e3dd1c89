/** Which ways of encrypting a connection a node offers. Loads nothing, so that the command line can check its own. */
import { ShoalError } from '../base/errors.ts'

export type Encryption = 'tls' | 'noise'

/** Both are libp2p's. TLS first: the runtime's own, it carries twice as much. Noise is the floor that every node speaks. */
export const DEFAULT_ENCRYPTION: readonly Encryption[] = ['tls', 'noise']

/**
 * Such as `tls,noise`.
 * @throws ERR_USAGE
 */
export function parseEncryption(text: string): Encryption[] {
  return checkEncryption(text.split(',').map(name => name.trim()))
}

/**
 * At least one, each once.
 * @throws ERR_USAGE
 */
export function checkEncryption(names: readonly string[]): Encryption[] {
  const known = names.filter(isEncryption)
  if (known.length === 0 || known.length < names.length || new Set(names).size < names.length) {
    throw new ShoalError('ERR_USAGE', `not a list of encryptions: ${JSON.stringify(names.join(',').slice(0, 100))}`, {
      hint: 'name tls, noise or both, separated by a comma; the first is tried first'
    })
  }
  return known
}

function isEncryption(name: string): name is Encryption {
  return DEFAULT_ENCRYPTION.some(known => known === name)
}
