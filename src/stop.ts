/** Stops a process: its parts stop in reverse order of their start, within a total time. */

/** Stops one part. `leftMs`: milliseconds until the process exits, finished or not. */
export type Step = (leftMs: number) => Promise<unknown>

interface StopOptions {
  /** Milliseconds until the process exits. Below the time after which Docker and systemd kill a process. */
  withinMs: number
  exit(code: number): void
  onError(error: unknown): void
}

/** Returns a function that runs the steps from last to first, once. A step that fails does not prevent the others. */
export function stopOnce(undo: Step[], { withinMs, exit, onError }: StopOptions): (code: number) => Promise<void> {
  let stopping: Promise<void> | undefined
  return (code) => {
    stopping ??= (async () => {
      const until = performance.now() + withinMs
      setTimeout(() => exit(1), withinMs).unref()
      const steps = undo.reverse().map((step) => () => step(until - performance.now()))
      await runAll(steps, onError)
      exit(code)
    })()
    return stopping
  }
}

/** Runs the steps in order, all of them: `onError` gets the error of a step that fails. */
export async function runAll(steps: readonly (() => unknown)[], onError: (error: unknown) => void): Promise<void> {
  for (const step of steps) {
    try {
      await step()
    } catch (error) {
      onError(error)
    }
  }
}
