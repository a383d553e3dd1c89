/** What a storage limit may be. */
import { ShoalError } from '../../base/errors.ts'

/**
 * Bytes, whole numbers from 1; null: no limit.
 * @throws ERR_BAD_NUMBER
 */
export function checkMaxStorage(value: unknown): asserts value is number | null {
  if (value === null || (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1)) return
  throw new ShoalError('ERR_BAD_NUMBER', `not a storage limit: ${JSON.stringify(value) ?? String(value)}`, {
    hint: 'give maxStorage in bytes, a whole number from 1, or null for none'
  })
}
