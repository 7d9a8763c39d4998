/**
 * API_KEY may be a word that a person chose, so that it can be guessed; people's keys cannot. So an address from which wrong
 * keys keep coming is not told for a while whether another one is API_KEY – unless API_KEY itself has come from there: behind
 * a proxy everybody has one address, and strangers must not lock out the operator's programs.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { AppError } from '../../core/errors.ts'
import { createTries, networkOf } from '../../net/tries.ts'

export interface Guesses {
  /** Whether it is API_KEY. Throws AppError too_many_wrong_keys. */
  isOperators(presented: string, address: string): boolean
}

const wrongAMinute = 20
/** A program that asks once a night is still known. */
const knownMs = 25 * 3_600_000
const mostKnown = 1_000

export function createGuesses(operatorKey: string): Guesses {
  const tries = createTries(wrongAMinute)
  // the one that was here longest ago first
  const known = new Map<string, number>()

  function remember(network: string): void {
    known.delete(network)
    known.set(network, Date.now() + knownMs)
    const [oldest] = known.keys()
    if (known.size > mostKnown && oldest !== undefined) known.delete(oldest)
  }

  return {
    isOperators(presented, address) {
      const network = networkOf(address)
      const seconds = (known.get(network) ?? 0) > Date.now() ? 0 : tries.waitSeconds(address)
      if (seconds > 0) throw new AppError('too_many_wrong_keys', { seconds }, { retryAfterMs: seconds * 1_000 })
      const right = same(presented, operatorKey)
      if (right) remember(network)
      else tries.count(address)
      return right
    },
  }
}

/** In constant time, whatever the lengths. */
function same(given: string, wanted: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(wanted))
}
