/** A circuit breaker: a provider that keeps failing gets no requests for a while, and then one as a trial. */

export interface Breaker {
  /** Milliseconds until the provider may get a request. After a 0, submit one and report how it ended. */
  restMs(): number
  /** Whether it keeps requests away from the provider, but for single trials. */
  isOpen(): boolean
  succeeded(): void
  /** All failures of one generation count as one. */
  failed(generationId: string): void
}

/** Generations in a row that may fail before the breaker opens. */
const maxFailures = 5
const openMs = 15_000

/** `changed`: called when it opens, and when a request has succeeded since. */
export function createBreaker(
  now: () => number = Date.now,
  changed: (state: 'open' | 'closed') => void = () => {},
): Breaker {
  const failures = new Set<string>()
  let openUntil = 0
  const isOpen = () => failures.size >= maxFailures

  return {
    isOpen,
    restMs() {
      if (!isOpen()) return 0
      if (now() < openUntil) return openUntil - now()
      // half open: this caller makes the trial, the others wait for its result
      openUntil = now() + openMs
      return 0
    },
    succeeded() {
      const wasOpen = isOpen()
      failures.clear()
      if (wasOpen) changed('closed')
    },
    failed(generationId) {
      const wasOpen = isOpen()
      // more failures would change nothing, so the set stays bounded
      if (!wasOpen) failures.add(generationId)
      if (!isOpen()) return
      openUntil = now() + openMs
      if (!wasOpen) changed('open')
    },
  }
}
