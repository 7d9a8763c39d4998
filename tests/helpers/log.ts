/** Log that keeps its lines, for tests that check what an operator reads. */

interface KeptLog {
  debug(object: object, message: string): void
  info(object: object, message: string): void
  warn(object: object, message: string): void
  error(object: object, message: string): void
  /** One line for each event: 'warn {…} message'. Errors are complete, with more than the service's log shows. */
  lines: string[]
}

export function keepLog(): KeptLog {
  const lines: string[] = []
  const level = (name: string) => (object: object, message: string) => {
    lines.push(`${name} ${JSON.stringify(object, everything)} ${message}`)
  }
  return { lines, debug: level('debug'), info: level('info'), warn: level('warn'), error: level('error') }
}

function everything(_key: string, value: unknown): unknown {
  if (!(value instanceof Error)) return value
  const { name, message, stack, cause } = value
  return { ...value, name, message, stack, cause }
}
