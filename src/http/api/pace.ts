/** How many requests an account may still make in this minute, for `x-ratelimit-*`. */
import { sql } from 'drizzle-orm'
import type { Holder } from '../../core/api-keys.ts'
import { operatorLimits } from '../../core/asked.ts'
import type { Core } from '../../core/core.ts'

/** The same rule by which submit.ts admits (GCRA). */
export async function paceHeaders(core: Core, { userId, keyId }: Holder): Promise<Record<string, string>> {
  const perMinute = keyId === null ? operatorLimits.perMinute : core.limits.perMinute
  const [row] = await core.database.rows<{ debt: number }>(
    sql`select extract(epoch from greatest(pace_at, now()) - now())::float8 as debt from users where id = ${userId}`,
  )
  const debtSeconds = Number(row?.debt ?? 0)
  const remaining = Math.max(0, Math.floor((60 - debtSeconds) / (60 / perMinute)))
  return {
    'x-ratelimit-limit-requests': String(perMinute),
    'x-ratelimit-remaining-requests': String(remaining),
  }
}
