/** Stops work halfway, until the test lets it continue. */
export interface Gate {
  /** Resolves once work has arrived here. */
  arrived: Promise<void>
  open(): void
  /** Resolves with the value once the gate is open. */
  pass<T>(value: T): Promise<T>
}

export function createGate(): Gate {
  let arrive: () => void = () => undefined
  let open: () => void = () => undefined
  const arrived = new Promise<void>((resolve) => {
    arrive = resolve
  })
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return {
    arrived,
    open,
    pass: async (value) => {
      arrive()
      await opened
      return value
    },
  }
}
