/** Waits for a condition without polling: a state change fires the signal, and every waiter checks its condition again. */

export interface Signal<T> {
  fire(value: T): void
  /** Calls `find` now and after every `fire` until it returns a value. `describe` returns the text of the timeout error. */
  until<R>(find: (value?: T) => R | undefined, timeoutMs: number, describe: () => string): Promise<R>
}

export function createSignal<T>(): Signal<T> {
  const waiters = new Set<(value: T) => void>()
  return {
    fire(value) {
      for (const check of [...waiters]) check(value)
    },
    until<R>(find: (value?: T) => R | undefined, timeoutMs: number, describe: () => string) {
      const current = find()
      if (current !== undefined) return Promise.resolve(current)
      return new Promise<R>((resolve, reject) => {
        const timer = setTimeout(() => settle(() => reject(new Error(describe()))), timeoutMs)
        const check = (value: T) => attempt(() => find(value))
        waiters.add(check)

        function attempt(run: () => R | undefined) {
          try {
            const found = run()
            if (found !== undefined) settle(() => resolve(found))
          } catch (error) {
            settle(() => reject(error))
          }
        }
        function settle(finish: () => void) {
          clearTimeout(timer)
          waiters.delete(check)
          finish()
        }
      })
    },
  }
}
