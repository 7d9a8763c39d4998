/** The job queue, which carries generations from acceptance to a worker. */

export interface Job {
  /** Id of the generation. */
  id: string
  /** Name of the provider; each has a lane of its own. */
  lane: string
  /** 1 is first. */
  priority: number
  /** It was begun before and interrupted. It moves ahead of all others, even if it is in the queue already or pauses. */
  resumed?: boolean
}

/** Jobs contain ids only and are delivered at least once. The row decides what a job still has to do. */
export interface JobQueue {
  /** Has no effect on a job that is queued or running already. */
  add(job: Job): Promise<void>
  /**
   * Runs jobs of all lanes. `run` resolves to undefined when the job has ended, or to `retryInMs` to run it again later; until
   * then it does not count towards the lane's concurrency. The signal aborts when this process must let go of the job.
   */
  work(run: (id: string, signal: AbortSignal) => Promise<{ retryInMs: number } | undefined>): Promise<void>
  /** Opens new lanes and sets the concurrency of each, which applies to all processes together. */
  setLanes(lanes: readonly { name: string; concurrency: number }[]): Promise<void>
  /** Number of jobs waiting in a lane. */
  waiting(lane: string): Promise<number>
  /** Says what is missing. undefined: ready. */
  notReady(): string | undefined
  /** Takes no more jobs, and aborts those that still run after `graceMs`, so that another worker can take them. */
  close(graceMs: number): Promise<void>
}
