/** Waiting for something to become true, without polling: whoever changes state fires, whoever waits looks again. */

export interface Signal<T> {
  fire(value: T): void
  /** Calls `find` now and at every `fire`, until it returns something. `describe` says what was there instead. */
  until<R>(find: (value?: T) => R | undefined, timeoutMs: number, describe: () => string): Promise<R>
}

export function createSignal<T>(): Signal<T> {
  const waiting = new Set<(value: T) => void>()
  return {
    fire(value) {
      for (const look of [...waiting]) look(value)
    },
    until<R>(find: (value?: T) => R | undefined, timeoutMs: number, describe: () => string) {
      const already = find()
      if (already !== undefined) return Promise.resolve(already)
      return new Promise<R>((resolve, reject) => {
        const timer = setTimeout(() => settle(() => reject(new Error(describe()))), timeoutMs)
        const look = (value: T) => attempt(() => find(value))
        waiting.add(look)

        function attempt(search: () => R | undefined) {
          try {
            const found = search()
            if (found !== undefined) settle(() => resolve(found))
          } catch (error) {
            settle(() => reject(error))
          }
        }
        function settle(finish: () => void) {
          clearTimeout(timer)
          waiting.delete(look)
          finish()
        }
      })
    },
  }
}
