/** Compares a platform's list of payments with ours, at the start and every hour, in one process at a time. */
import type { Database } from '../../db/database.ts'
import { keepLease } from '../../db/lease.ts'
import type { Log } from '../../log.ts'

const everyMs = 3_600_000
/** Before the list is read on, if it has more pages than one round reads. */
const nextRoundMs = 60_000

interface RoundsOptions {
  database: Database
  log: Log
  /** Of the lease. */
  name: string
  /** Resolves to false if the list has more pages. It goes on only while `mayGoOn` returns true. */
  round(mayGoOn: () => boolean, signal: AbortSignal): Promise<boolean>
  /** Describes an error without secrets. */
  reasonOf(error: unknown): string
  /** Logged with the reason if a round fails. */
  failed: string
}

export interface Rounds {
  /** Aborts a round. Resolves once it has ended. */
  stop(): Promise<void>
}

export function keepRounds(options: RoundsOptions): Rounds {
  const stopping = new AbortController()
  const { signal } = stopping
  let timer: NodeJS.Timeout | undefined
  let round: Promise<void> = Promise.resolve()

  async function run(): Promise<void> {
    const isAll = await compare(options, signal).catch((error: unknown) => {
      if (!signal.aborted) options.log.warn({ reason: options.reasonOf(error) }, options.failed)
      return true
    })
    if (!signal.aborted) later(isAll ? everyMs : nextRoundMs)
  }

  function later(ms: number): void {
    timer = setTimeout(() => {
      round = run()
    }, ms)
    timer.unref()
  }

  round = run()
  return {
    async stop() {
      stopping.abort()
      clearTimeout(timer)
      await round
    },
  }
}

/** Does nothing while another process holds the lease. */
async function compare({ database, name, round }: RoundsOptions, signal: AbortSignal): Promise<boolean> {
  const lease = await keepLease({ database, name, onChange: () => undefined })
  try {
    return !lease.held() || (await round(() => lease.held() && !signal.aborted, signal))
  } finally {
    await lease.release().catch(() => undefined)
  }
}
