/** What carries generations from acceptance to a worker. */

/** One job: which generation, in which lane (a provider's queue), before whom (1 is first). */
export interface Job {
  id: string
  lane: string
  priority: number
  /** Begun before and cut short: it goes before all others, even if it waits in the queue already. */
  resumed?: boolean
}

/** Carries ids, never data. At least once: the row decides what a job still has to do. */
export interface JobQueue {
  /** Adding what is already queued or running changes nothing. */
  add(job: Job): Promise<void>
  /**
   * Runs jobs of all lanes. `run` resolves to undefined when the job is over, or to `retryInMs` to be called again later
   * without holding a place. The signal aborts when this process must let go.
   */
  work(run: (id: string, signal: AbortSignal) => Promise<{ retryInMs: number } | undefined>): Promise<void>
  /** Opens lanes that are new and changes how many jobs of each run at the same time, in all processes together. */
  setLanes(lanes: readonly { name: string; concurrency: number }[]): Promise<void>
  /** Jobs waiting in a lane. */
  waiting(lane: string): Promise<number>
  /** undefined when ready, else what is missing. */
  notReady(): string | undefined
  /** Takes no more jobs; aborts what still runs after `graceMs`, so that another worker can have it. */
  close(graceMs: number): Promise<void>
}
