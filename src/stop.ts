/** The end of a process: what was started is stopped in reverse, within a time that is shared out as it goes. */

/** `leftMs`: until the process ends, whether it is done or not. */
export type Step = (leftMs: number) => Promise<unknown>

interface Ending {
  /** Docker and systemd kill what has not ended some time after SIGTERM; within this we have handed back all work. */
  withinMs: number
  exit(code: number): void
}

/** The last started is stopped first; a part that fails to stop does not keep the others. */
export function stopOnce(undo: Step[], { withinMs, exit }: Ending): (code: number) => Promise<void> {
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
