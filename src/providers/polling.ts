/** How often a task is polled: soon for fast models, seldom for slow ones. */

export interface Pace {
  /** Time limit of one poll. */
  pollTimeoutMs: number
  /** Limits of the pause between two polls. */
  pauseMs: { least: number; most: number }
}

/** Grows with the age of the task. `since`: when it was submitted, milliseconds since 1970. */
export function pauseMs(since: number, { pauseMs: { least, most } }: Pace): number {
  return Math.min(most, Math.max(least, (Date.now() - since) / 5))
}
