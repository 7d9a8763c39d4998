/** Answers health checks in time, even when the database hangs. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../../db/database.ts'

const timeoutMs = 2_000
/** A ping that is older than this is abandoned, and the next check sends another. */
const abandonedMs = 10_000

interface Ping {
  result: Promise<boolean>
  at: number
}

/** The check resolves to true when the database responds. Concurrent checks share one ping, so that a hanging database gets one. */
export function createDatabaseCheck(database: Pick<Database, 'ping'>): () => Promise<boolean> {
  let current: Ping | undefined

  function ping(): Ping {
    const result = database
      .ping()
      .then(() => true)
      .catch(() => false)
      .finally(() => {
        if (current === sent) current = undefined
      })
    const sent = { result, at: Date.now() }
    current = sent
    return sent
  }

  return async () => {
    const { result } = current && Date.now() - current.at < abandonedMs ? current : ping()
    return (await inTime(result)) ?? false
  }
}

/** Resolves to undefined when the work fails or takes too long. */
export async function inTime<T>(work: Promise<T>): Promise<T | undefined> {
  const done = new AbortController()
  const late = sleep(timeoutMs, undefined, { signal: done.signal }).catch(() => undefined)
  try {
    return await Promise.race([work.catch(() => undefined), late])
  } finally {
    done.abort()
  }
}
