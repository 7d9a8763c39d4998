/**
 * What the circuit breakers of all processes know of a provider. A breaker decides by its own memory; this is where it tells
 * the others, and learns from them by notification, or at the next reload. While the database is away, each knows its own.
 */
import { createHmac } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import type { Database } from '../../db/database.ts'
import { providerFailures } from '../../db/schema/operation.ts'
import { maxFailures, openMs, type SharedFailures } from './breaker.ts'

/** Notified when what is known of a provider has changed. */
export const failuresChanged = 'fluxbot_provider_failures'

const columns = columnsOf({
  settings: providerFailures.settings,
  failed: typed<string[]>(providerFailures.failed),
  restMs: typed<number>(sql`greatest(0, extract(epoch from provider_failures.rests_until - now()) * 1000)::float8`),
})

export type KnownFailures = NonNullable<(typeof columns)['row']>

/** By settings (`settingsHash`). A provider without failures since its last success is absent. */
export async function readFailures(database: Pick<Database, 'rows'>): Promise<Map<string, KnownFailures>> {
  const rows = await readRows(database, columns, (list) => sql`select ${list} from provider_failures`)
  return new Map(rows.map((row) => [row.settings, row]))
}

/** The settings contain a key. Other settings are another service, with failures of its own. */
export const settingsHash = (secretKey: Buffer, signature: string) =>
  createHmac('sha256', secretKey).update(`breaker\n${signature}`).digest('hex')

const rest = sql`now() + ${`${openMs} milliseconds`}::interval`
const notify = sql`select pg_notify(${failuresChanged}, '') from changed`

/** Rejects with the error of the database. */
export function shareFailures(database: Pick<Database, 'rows'>, settings: string): SharedFailures {
  return {
    failed: (id) => {
      const known = sql`f.failed @> to_jsonb(${id}::text)`
      const count = sql`jsonb_array_length(f.failed) + (not ${known})::int`
      return database.rows(sql`
        with changed as (
          insert into provider_failures as f (settings, failed, rests_until)
          values (${settings}, jsonb_build_array(${id}::text), now())
          on conflict (settings) do update set
            failed = case when ${known} or jsonb_array_length(f.failed) >= ${maxFailures}
              then f.failed else f.failed || to_jsonb(${id}::text) end,
            rests_until = case when ${count} >= ${maxFailures} then ${rest} else f.rests_until end
          returning settings)
        ${notify}`)
    },
    trying: () =>
      database.rows(sql`
        with changed as (update provider_failures set rests_until = ${rest} where settings = ${settings} returning settings)
        ${notify}`),
    succeeded: () =>
      database.rows(sql`
        with changed as (delete from provider_failures where settings = ${settings} returning settings) ${notify}`),
  }
}

/** Deletes rows whose pause ended more than a day ago: of unused providers, and of settings that were replaced. */
export async function forgetOldFailures(database: Pick<Database, 'rows'>): Promise<void> {
  await database.rows(sql`delete from provider_failures where rests_until < now() - interval '1 day'`)
}
