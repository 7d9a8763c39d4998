/** Lets a provider that keeps failing rest, and then tries it with one request before all others. */

export interface Breaker {
  /** Milliseconds until it is worth asking; 0: ask now. Whoever gets 0 says how it went by `succeeded` or `failed`. */
  restMs(): number
  succeeded(): void
  failed(): void
}

const mostFailures = 5
const openMs = 15_000

export function createBreaker(now: () => number = Date.now): Breaker {
  let failures = 0
  let openUntil = 0

  return {
    restMs() {
      if (failures < mostFailures) return 0
      if (now() < openUntil) return openUntil - now()
      // half open: this one tries, the others wait for what it finds
      openUntil = now() + openMs
      return 0
    },
    succeeded() {
      failures = 0
    },
    failed() {
      failures++
      if (failures >= mostFailures) openUntil = now() + openMs
    },
  }
}
