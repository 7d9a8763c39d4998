/** Stops a process: its parts stop in reverse order of their start, within a total time. */

/** Stops one part. `leftMs`: milliseconds until the process exits, finished or not. */
export type Step = (leftMs: number) => Promise<unknown>

interface StopOptions {
  /** Milliseconds until the process exits. Below the time after which Docker and systemd kill a process. */
  withinMs: number
  exit(code: number): void
}

/** Returns a function that runs the steps from last to first, once. A step that fails does not prevent the others. */
export function stopOnce(undo: Step[], { withinMs, exit }: StopOptions): (code: number) => Promise<void> {
  let stopping: Promise<void> | undefined
  return (code) => {
    stopping ??= (async () => {
      const until = performance.now() + withinMs
      setTimeout(() => exit(1), withinMs).unref()
      for (const step of undo.reverse()) await step(until - performance.now()).catch(() => undefined)
      exit(code)
    })()
    return stopping
  }
}
