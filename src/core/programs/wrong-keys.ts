/**
 * Wrong keys by network, counted for all processes together. Each process decides by its own memory, and learns the count of
 * all with each wrong key that it gets. While the database is away, each process counts for itself.
 */
import { createHmac } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import type { Database } from '../../db/database.ts'
import { wrongKeys } from '../../db/schema/operation.ts'

interface Parts {
  database: Pick<Database, 'rows'>
  secretKey: Buffer
}

export interface SharedCount {
  /** Within the current minute. */
  tries: number
  /** Milliseconds until the count starts anew. */
  leftMs: number
  /** A right key has come from the network lately. */
  trusted: boolean
}

export interface SharedTries {
  /** Counts a wrong key. undefined: the database does not answer. */
  count(network: string): Promise<SharedCount | undefined>
  /** Trusts a network for a while. */
  trust(network: string, ms: number): Promise<void>
}

const minute = sql`interval '1 minute'`
const columns = columnsOf(
  {
    tries: wrongKeys.tries,
    leftMs: typed<number>(sql`(extract(epoch from wrong_keys.ends_at - now()) * 1000)::float8`),
    trusted: typed<boolean>(sql`coalesce(wrong_keys.trusted_until > now(), false)`),
  },
  'wrong_keys',
)

/** `purpose`: what the keys open. Tries for one purpose do not count for another. */
export function shareTries({ database, secretKey }: Parts, purpose: 'api' | 'page'): SharedTries {
  // an address tells where a person is, so it is not kept
  const hashOf = (network: string) => createHmac('sha256', secretKey).update(`${purpose}\n${network}`).digest('hex')
  return {
    async count(network) {
      const rows = readRows(
        database,
        columns,
        (list) => sql`
          insert into wrong_keys (network, tries, ends_at) values (${hashOf(network)}, 1, now() + ${minute})
          on conflict (network) do update set
            tries = case when wrong_keys.ends_at > now() then wrong_keys.tries + 1 else 1 end,
            ends_at = case when wrong_keys.ends_at > now() then wrong_keys.ends_at else now() + ${minute} end
          returning ${list}`,
      )
      const [row] = await rows.catch(() => [])
      return row
    },
    async trust(network, ms) {
      const until = sql`now() + ${`${ms} milliseconds`}::interval`
      await database
        .rows(sql`
          insert into wrong_keys (network, tries, ends_at, trusted_until) values (${hashOf(network)}, 0, now(), ${until})
          on conflict (network) do update set trusted_until = excluded.trusted_until`)
        .catch(() => undefined)
    },
  }
}

const batchRows = 1_000
/** As many networks as try in a minute may be new. */
const mostBatches = 20

/** Deletes records that no longer count. */
export async function forgetOldWrongKeys(database: Pick<Database, 'rows'>): Promise<void> {
  for (let batch = 0; batch < mostBatches; batch++) {
    const deleted = await database.rows(sql`
      delete from wrong_keys where network in (
        select network from wrong_keys where greatest(ends_at, trusted_until) < now() limit ${batchRows} for update skip locked)
      returning network`)
    if (deleted.length < batchRows) return
  }
}
