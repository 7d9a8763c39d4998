/** The people of a broadcast, one row each. A row is claimed before the call, so that no crash sends a broadcast twice to one person. */
import { sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { broadcastRecipients, type RecipientState } from '../../db/schema/broadcasts.ts'
import type { Core } from '../core.ts'
import type { Announced } from '../ports/chat.ts'
import { languageOf, mayReceive } from './audience.ts'

const claimColumns = columnsOf({
  person: typed<string>(sql`r.person`),
  state: typed<RecipientState>(sql`r.state`),
  locale: typed<string>(sql`next.locale`),
})

export type Claimed = NonNullable<(typeof claimColumns)['row']>

/**
 * The next person. `sending`: to be sent now · `skipped`: the person may no longer get it. undefined: no person waits, or the
 * broadcast is not running any more.
 */
export async function claimRecipient({ database }: Core, id: string): Promise<Claimed | undefined> {
  const [claimed] = await readRows(
    database,
    claimColumns,
    (list) => sql`
      with waiting as (
        select r.person from broadcast_recipients r
        where r.broadcast_id = ${id}::uuid and r.state = 'waiting'
          and exists (select from broadcasts b where b.id = ${id}::uuid and b.state = 'running')
        order by r.person limit 1 for update skip locked),
      next as (
        select waiting.person, coalesce(${mayReceive}, false) and c.person is not null as may, coalesce(${languageOf}, 'en') as locale
        from waiting left join private_chats c on c.person = waiting.person)
      update broadcast_recipients r set state = case when next.may then 'sending' else 'skipped' end, changed_at = now()
      from next where r.broadcast_id = ${id}::uuid and r.person = next.person
      returning ${list}`,
  )
  return claimed
}

/** A platform may ask for days. After this, a new refusal starts a new pause. */
const longestPauseMs = 10 * 60_000
/** A platform that does not answer is asked whether it does before anything else is sent. */
const doubtMs = 3_000

interface Ended {
  id: string
  person: string
  outcome: Announced
}

/**
 * Saves how the call ended. A process that was slow may save it after another one has given the call up, because what it knows is true.
 * A chat that refused is remembered, so that later broadcasts leave it out.
 */
export async function saveOutcome({ database }: Core, { id, person, outcome }: Ended): Promise<void> {
  const { how } = outcome
  const state: RecipientState = how === 'later' ? 'waiting' : how
  const waitMs = how === 'later' ? Math.min(outcome.waitMs, longestPauseMs) : how === 'unknown' ? doubtMs : 0
  await database.rows(sql`
    with saved as (
      update broadcast_recipients set state = ${state}, changed_at = now()
      where broadcast_id = ${id}::uuid and person = ${person} and state in ('sending','unknown') returning person),
    remembered as (
      update private_chats set blocked_at = now()
      where person in (select person from saved) and ${how === 'blocked' || how === 'gone'}::bool)
    update broadcasts set not_before = greatest(not_before, now() + ${`${waitMs} milliseconds`}::interval)
    where id = ${id}::uuid and ${waitMs > 0}::bool`)
}

/**
 * What this or another process was sending when it stopped, and may have sent. Only for the process that sends, while it waits for no
 * call.
 */
export async function giveUpLost({ database }: Core, id: string): Promise<void> {
  await database.rows(sql`
    update broadcast_recipients set state = 'unknown', changed_at = now()
    where broadcast_id = ${id}::uuid and state = 'sending'`)
}

export async function endIfComplete({ database }: Core, id: string): Promise<void> {
  await database.rows(sql`
    update broadcasts set state = 'done', ended_at = now()
    where id = ${id}::uuid and state = 'running' and not exists (
      select from broadcast_recipients r where r.broadcast_id = ${id}::uuid and r.state in ('waiting','sending'))`)
}

export interface Standing {
  /** People, by the state of their row. */
  counts: Readonly<Partial<Record<RecipientState, number>>>
  /** Identities of the first people who may have got it, in order. */
  unclear: readonly string[]
}

const mostNamed = 20

const countColumns = columnsOf({ state: broadcastRecipients.state, people: typed<number>(sql`count(*)::int`) })
const unclearColumns = columnsOf({ person: broadcastRecipients.person })

export async function readStanding({ database }: Core, id: string): Promise<Standing> {
  const rows = await readRows(
    database,
    countColumns,
    (list) => sql`select ${list} from broadcast_recipients where broadcast_id = ${id}::uuid group by state`,
  )
  const counts: Standing['counts'] = Object.fromEntries(rows.map(({ state, people }) => [state, people]))
  if (!counts.unknown) return { counts, unclear: [] }
  const unclear = await readRows(
    database,
    unclearColumns,
    (list) => sql`
      select ${list} from broadcast_recipients where broadcast_id = ${id}::uuid and state = 'unknown'
      order by person limit ${mostNamed}`,
  )
  return { counts, unclear: unclear.map(({ person }) => person) }
}
