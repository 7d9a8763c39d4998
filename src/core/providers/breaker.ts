/** A circuit breaker: a provider that keeps failing gets no requests for a while, and then one as a trial. */

export interface Breaker {
  /** Milliseconds until the provider may get a request. After a 0, submit one and report how it ended. */
  restMs(): number
  /** Whether it keeps requests away from the provider, but for single trials. */
  isOpen(): boolean
  succeeded(): void
  /** All failures of one generation count as one. */
  failed(generationId: string): void
  /** Call it before reading what all processes know, and pass it to `learn`. undefined: this process is still telling the others. */
  moment(): number | undefined
  /**
   * Takes over what all processes know, as it was read after the moment `since`. Ignored if this process has told something
   * since. undefined: the provider has not failed since its last success.
   */
  learn(known: { failed: readonly string[]; restMs: number } | undefined, since: number | undefined): void
}

/** Tells the breakers of other processes (failures.ts). */
export interface SharedFailures {
  failed(generationId: string): Promise<unknown>
  /** A trial is under way. */
  trying(): Promise<unknown>
  succeeded(): Promise<unknown>
}

export interface BreakerOptions {
  now?(): number
  /** Called when this process opens it, and when a request of this process has succeeded since. */
  changed?(state: 'open' | 'closed'): void
  shared: SharedFailures
  /** Called once the others have been told. */
  told?(): void
}

/** Generations in a row that may fail before the breaker opens. */
export const maxFailures = 5
export const openMs = 15_000

export function createBreaker({ now = Date.now, changed = () => {}, shared, told }: BreakerOptions): Breaker {
  let failures = new Set<string>()
  let openUntil = 0
  const isOpen = () => failures.size >= maxFailures
  let begun = 0
  let ended = 0
  let telling: Promise<unknown> = Promise.resolve()

  /** In order, so that a success does not come before the failures that it ends. Memory counts also if this fails. */
  function tell(news: () => Promise<unknown>): void {
    begun++
    telling = telling
      .then(news)
      .catch(() => undefined)
      .then(() => {
        ended++
        if (begun === ended) told?.()
      })
  }

  return {
    isOpen,
    restMs() {
      if (!isOpen()) return 0
      if (now() < openUntil) return openUntil - now()
      // half open: this caller makes the trial, the others wait for its result
      openUntil = now() + openMs
      tell(() => shared.trying())
      return 0
    },
    succeeded() {
      if (failures.size === 0) return
      const wasOpen = isOpen()
      failures.clear()
      tell(() => shared.succeeded())
      if (wasOpen) changed('closed')
    },
    failed(generationId) {
      const wasOpen = isOpen()
      // more failures would change nothing, so the set stays bounded
      if (!wasOpen) failures.add(generationId)
      tell(() => shared.failed(generationId))
      if (!isOpen()) return
      openUntil = now() + openMs
      if (!wasOpen) changed('open')
    },
    moment: () => (begun === ended ? begun : undefined),
    learn(known, since) {
      if (since !== begun) return
      failures = new Set(known?.failed)
      openUntil = now() + (known?.restMs ?? 0)
    },
  }
}
