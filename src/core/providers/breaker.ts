/** Lets a provider that keeps failing rest, and then tries it with one request before all others. */

export interface Breaker {
  /** Milliseconds until it is worth asking; 0: ask now. Whoever gets 0 says how it went by `succeeded` or `failed`. */
  restMs(): number
  succeeded(): void
  /** `whose`: a generation. However often one and the same fails, that is one failure. */
  failed(whose: string): void
}

const mostFailures = 5
const openMs = 15_000

export function createBreaker(now: () => number = Date.now): Breaker {
  const failures = new Set<string>()
  let openUntil = 0

  return {
    restMs() {
      if (failures.size < mostFailures) return 0
      if (now() < openUntil) return openUntil - now()
      // half open: this one tries, the others wait for what it finds
      openUntil = now() + openMs
      return 0
    },
    succeeded() {
      failures.clear()
    },
    failed(whose) {
      // bounded: more than enough says no more than enough
      if (failures.size < mostFailures) failures.add(whose)
      if (failures.size >= mostFailures) openUntil = now() + openMs
    },
  }
}
