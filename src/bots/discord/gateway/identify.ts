/**
 * Lets the shards of all processes identify one after another. Discord divides them into `max_concurrency` groups by their id, and takes
 * one identify of a group every 5 s. A turn is a row that is taken for that time, so that nothing is left behind by a killed process.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { IIdentifyThrottler } from '@discordjs/ws'
import type { Database } from '../../../db/database.ts'
import { takeFor } from '../../../db/facts.ts'
import { type DiscordLog, reasonOf } from '../rest/api.ts'

/** Discord's 5 s, and half a second, because one identify may take longer to arrive than the next. */
const everyMs = 5_500
/** Those that wait ask again at different times. */
const spreadMs = 100
const retryMs = 1_000

interface Sharing {
  database: Database
  token: string
  /** Shards that may identify at the same time. */
  maxConcurrency: number
  log: DiscordLog
}

export function shareIdentifies({ database, token, maxConcurrency, log }: Sharing): IIdentifyThrottler {
  // the first part of a token is the id of its bot
  const [bot = ''] = token.split('.')
  async function turnIn(group: number): Promise<number> {
    try {
      return await takeFor(database, `discord:identify:${bot}:${group}`, everyMs)
    } catch (error) {
      log.warn({ reason: reasonOf(error) }, 'could not take a turn to identify at the Discord gateway; retrying')
      return retryMs
    }
  }
  return {
    async waitForIdentify(shard, signal) {
      for (;;) {
        signal.throwIfAborted()
        const waitMs = await turnIn(shard % maxConcurrency)
        if (waitMs === 0) return
        await pause(waitMs + Math.random() * spreadMs, undefined, { signal })
      }
    },
  }
}
