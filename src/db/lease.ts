/**
 * A lease: something that one process at a time does for all. It is renewed by the one that has it, and runs out soon after that
 * process has died. The embedded database has only one process, which has every lease.
 */
import { randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import type { Database } from './database.ts'

export interface Lease {
  held(): boolean
  /** Another process may have it at once. */
  release(): Promise<void>
}

interface LeaseOptions {
  database: Database
  name: string
  /** Called whenever this process gets the lease or loses it. */
  onChange(held: boolean): void
}

const leaseMs = 4_000
const renewMs = 1_000

/** Resolves after the first try. */
export async function keepLease({ database, name, onChange }: LeaseOptions): Promise<Lease> {
  const holder = randomUUID()
  const row = `lease:${name}`
  const isAlone = database.kind === 'pglite'
  let heldUntil = 0
  let wasHeld = false
  let released = false

  const held = () => !released && (isAlone || Date.now() < heldUntil)

  function tell(): void {
    if (held() === wasHeld) return
    wasHeld = held()
    onChange(wasHeld)
  }

  async function renew(): Promise<void> {
    const asked = Date.now()
    try {
      if (!isAlone && (await take(database, row, holder))) heldUntil = asked + leaseMs
    } catch {
      // the database is away: the lease runs out unless a later try succeeds
    }
    tell()
  }

  const timer = setInterval(() => void renew(), renewMs)
  timer.unref()
  await renew()
  return {
    held,
    async release() {
      clearInterval(timer)
      if (released) return
      const had = held()
      released = true
      tell()
      if (had && !isAlone) await giveBack(database, row, holder)
    },
  }
}

const now = sql`extract(epoch from clock_timestamp())`

/** The value is '<holder> <seconds>': who has it, and until when. */
async function take(database: Database, row: string, holder: string): Promise<boolean> {
  const until = sql`${holder}::text || ' ' || (${now} + ${leaseMs / 1000}::float8)::text`
  const taken = await database.rows(sql`
    insert into facts (name, value) values (${row}, ${until})
    on conflict (name) do update set value = excluded.value
    where split_part(facts.value, ' ', 1) = ${holder} or split_part(facts.value, ' ', 2)::float8 < ${now}
    returning name`)
  return taken.length > 0
}

const giveBack = (database: Database, row: string, holder: string) =>
  database.rows(sql`delete from facts where name = ${row} and split_part(value, ' ', 1) = ${holder}`)
