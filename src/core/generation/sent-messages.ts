/** The messages of a generation: the one that waits, and those that show its result, recorded one by one, so that a crash repeats none. */
import { and, eq, sql } from 'drizzle-orm'
import { columnsOf, readRows } from '../../db/columns.ts'
import type { Database } from '../../db/database.ts'
import { begunMessages, generations, sentMessages as table } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'
import { timeOf } from '../ids.ts'
import type { MessageName, Posted, SentMessages } from '../ports/chat.ts'

interface Showing {
  id: string
  surface: string
  /** Key of the call that asked to see the result again. Absent: its delivery. */
  askedBy?: string
  /** True if certainly nothing was sent before. */
  isFirst?: boolean
}

/** The messages that were sent before, and a function that records the next ones. */
export async function sentMessages(
  core: Core,
  { id, surface, askedBy = '', isFirst = false }: Showing,
): Promise<SentMessages> {
  const isOfShowing = and(eq(table.generationId, id), eq(table.surface, surface), eq(table.askedBy, askedBy))
  const rows = isFirst
    ? []
    : await core.database.db
        .select({ posted: table.posted, part: table.part, fileIds: table.fileIds })
        .from(table)
        .where(isOfShowing)
        .orderBy(table.part)
  const isOurs = sql`generation_id = ${id}::uuid and surface = ${surface} and asked_by = ${askedBy}`
  const begun = isFirst
    ? []
    : await readRows(core.database, begunColumns, (list) => sql`select ${list} from begun_messages where ${isOurs}`)
  const withdraw = async (part: number) => {
    await core.database.rows(sql`delete from begun_messages where ${isOurs} and part = ${part}::int`)
  }
  return {
    since: timeOf(id),
    earlier: rows.map((row) => ({ ...row, posted: row.posted as Posted })),
    begun: begun.map(({ part }) => part),
    begin: async (part) => {
      const [noted] = await core.database.rows(sql`
        insert into begun_messages (generation_id, surface, asked_by, part)
        values (${id}::uuid, ${surface}, ${askedBy}, ${part}::int) on conflict do nothing returning part`)
      if (!noted) return false
      // only after our row is there: a process that had the request meanwhile may have added it since we read `earlier`
      const added = await core.database.rows(
        sql`select part from sent_messages where ${isOurs} and part = ${part}::int`,
      )
      if (added.length === 0) return true
      await withdraw(part)
      return false
    },
    withdraw,
    add: async (...messages) => {
      const [first] = messages
      if (!first) return false
      const added = messages.map(({ posted, part, fileIds, message, buttons }) => ({
        posted,
        message,
        part,
        buttons: buttons ?? false,
        file_ids: fileIds,
      }))
      const inserted = await core.database.rows(sql`
        with ended as (delete from begun_messages where ${isOurs} and part = ${first.part}::int)
        insert into sent_messages (generation_id, surface, asked_by, posted, message, part, buttons, file_ids)
        select ${id}::uuid, ${surface}, ${askedBy}, posted, message, part, buttons, file_ids
        from jsonb_to_recordset(${JSON.stringify(added)}::jsonb)
          as added(posted text, message text, part int, buttons bool, file_ids jsonb)
        on conflict (generation_id, surface, asked_by, part) do nothing returning part`)
      return inserted.length === messages.length
    },
  }
}

const begunColumns = columnsOf({ part: begunMessages.part })

/** Of deleted results, once no answer continues them: acts are handled within a day, and requests end earlier. */
export async function forgetBegunMessages(database: Pick<Database, 'rows'>): Promise<void> {
  await database.rows(sql`
    delete from begun_messages b using generations g
    where g.id = b.generation_id and g.erased_at is not null and b.begun_at < now() - interval '2 days'`)
}

export interface SentPart {
  surface: string
  posted: Posted
  /** Whether it has the buttons of the result. */
  buttons: boolean
}

/** Every message that shows the result, or a part of it. */
export async function allSent(core: Core, id: string): Promise<SentPart[]> {
  const rows = await core.database.db
    .select({ surface: table.surface, posted: table.posted, buttons: table.buttons })
    .from(table)
    .where(eq(table.generationId, id))
  return rows.map((row) => ({ ...row, posted: row.posted as Posted }))
}

/** Whether there may be a message that shows a part of the result, but is not known, because the platform did not confirm it. */
export async function mayHaveSent(core: Core, id: string): Promise<boolean> {
  const begun = await core.database.rows(sql`select from begun_messages where generation_id = ${id}::uuid limit 1`)
  return begun.length > 0
}

/** The generation whose result a message shows, and the position of its first picture. */
export async function findSent(
  core: Core,
  surface: string,
  message: MessageName,
): Promise<{ id: string; part: number } | undefined> {
  const [row] = await core.database.db
    .select({ id: table.generationId, part: table.part })
    .from(table)
    .where(and(eq(table.surface, surface), eq(table.message, message)))
    .limit(1)
  return row
}

interface Waiting {
  posted: Posted
  /** The message that it was before. */
  before?: Posted
  /** The place in the queue that it shows. */
  place?: number
}

/**
 * Records the waiting message of a request, unless another process was first. Resolves to the message that the request has, and to its state,
 * which may be over already: then a message that was just posted is out of date.
 */
export async function savePosted(core: Core, id: string, { posted, before, place }: Waiting) {
  const isFree = sql`(${generations.posted} is null or ${generations.posted} = ${before ?? null})`
  const [row] = await core.database.db
    .update(generations)
    .set({
      posted: sql`case when ${isFree} then ${posted} else ${generations.posted} end`,
      ...(place !== undefined && { narratedPlace: place }),
    })
    .where(eq(generations.id, id))
    .returning({ state: generations.state, posted: generations.posted })
  return row && { state: row.state, posted: row.posted as Posted }
}

/** Removes a second waiting message of a request. Best effort. */
export async function removeSurplus(core: Core, surface: string, posted: Posted): Promise<void> {
  await core.surfaces
    .get(surface)
    ?.remove(posted)
    .catch((error: unknown) => core.log.debug({ err: error, surface }, 'could not remove a message that waits'))
}
