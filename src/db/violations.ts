/** Which constraint a statement broke, whichever driver reports it (drizzle wraps the driver's error as its cause). */
export function violates(error: unknown, constraint: string): boolean {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth++) {
    const fields = cause as { constraint?: unknown; constraint_name?: unknown }
    if (fields.constraint === constraint || fields.constraint_name === constraint) return true
  }
  return false
}
