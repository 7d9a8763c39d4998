/**
 * Requests that Discord counts as invalid. It counts them by address, which processes may share, so all processes count together. Each
 * decides by its own memory, and learns the count of all with each refusal that it gets: a process that is refused nothing adds nothing.
 * While the database is away, each process counts for itself.
 */
import { sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../../db/columns.ts'
import type { Database } from '../../../db/database.ts'
import { discordInvalidRequests } from '../../../db/schema/operation.ts'

/** Discord blocks an address after 10,000 invalid requests in 10 minutes. Other programs may share ours. */
const usualMax = 5_000
const windowMs = 10 * 60_000
/** A minute counts until its last moment has left the window. */
const counts = sql`interval '11 minutes'`

export interface InvalidRequests {
  /** Counts one. The request itself does not wait for the database. */
  note(): void
  /** Nothing may be sent for now. */
  isLimited(): boolean
}

interface Counting {
  database: Pick<Database, 'rows'>
  /** Called once each time that the limit is reached. */
  reached(): void
  /** Default: half of Discord's limit. */
  max?: number
}

export function countInvalid({ database, reached, max = usualMax }: Counting): InvalidRequests {
  /** Times of our own, oldest first. */
  const own: number[] = []
  /** Those of all processes, by the minute, as they were when this process last counted one. */
  let shared: { requests: number; until: number }[] = []
  /** Of ours, not in `shared` yet. */
  let [waiting, sending] = [0, 0]
  let wasLimited = false

  function isLimited(): boolean {
    const now = Date.now()
    while ((own[0] ?? Number.POSITIVE_INFINITY) < now - windowMs) own.shift()
    const ofAll = shared.reduce((sum, { requests, until }) => (until > now ? sum + requests : sum), waiting + sending)
    const limited = Math.max(own.length, ofAll) >= max
    if (limited && !wasLimited) reached()
    wasLimited = limited
    return limited
  }

  /** One statement at a time: what comes meanwhile is counted by the next one. */
  async function share(): Promise<void> {
    while (waiting > 0) {
      ;[waiting, sending] = [0, waiting]
      const rows = await addTo(database, sending).catch(() => [])
      if (rows.length > 0)
        shared = rows.map(({ requests, leftMs }) => ({ requests, until: Date.now() + Number(leftMs) }))
      sending = 0
      isLimited()
    }
  }

  return {
    note() {
      own.push(Date.now())
      waiting += 1
      isLimited()
      if (sending === 0) void share()
    },
    isLimited,
  }
}

const table = discordInvalidRequests
const columns = columnsOf(
  {
    requests: table.requests,
    /** Milliseconds for which the minute counts. */
    leftMs: typed<number>(sql`(extract(epoch from counted.minute + ${counts} - now()) * 1000)::float8`),
  },
  'counted',
)

/** Resolves to the minutes of the window, of all processes. */
const addTo = (database: Pick<Database, 'rows'>, requests: number) =>
  readRows(
    database,
    columns,
    (list) => sql`
      with old as (
        delete from discord_invalid_requests where minute in (
          select minute from discord_invalid_requests where minute < now() - ${counts} for update skip locked)),
      added as (
        insert into discord_invalid_requests (minute, requests) values (date_trunc('minute', now()), ${requests}::int)
        on conflict (minute) do update set requests = discord_invalid_requests.requests + excluded.requests
        returning minute, requests),
      counted as (
        select minute, requests from added
        union all
        select minute, requests from discord_invalid_requests
        where minute > now() - ${counts} and minute <> date_trunc('minute', now()))
      select ${list} from counted`,
  )
