/**
 * Messages of erased requests that must leave the chats. A row notes them in the statement that erases the request; then messages go, then
 * the row. After a crash the sweeper continues from the row.
 */
import { type SQL, sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { generations, messageDeletions } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'
import { asAppError } from '../errors.ts'
import { allSent } from '../generation/sent-messages.ts'
import type { Posted } from '../ports/chat.ts'

/** Requests whose messages are deleted at the same time. Chats limit calls, and people who are there have priority. */
const batchSize = 20
/** Of one call. */
const mostBatches = 5
/** A claim: longer than any chat takes. After it, what failed is tried again. */
const claimedFor = '1 minute'
/** After this, messages in chats that are still unavailable are given up. */
const patience = '1 day'

/** Part of the statement that erases. `from`: a CTE with `id`, `surface` and `posted`. */
export function noteMessages(core: Core, from: SQL): SQL {
  const speaking = [...core.surfaces.values()].filter(({ isSilent }) => !isSilent).map(({ name }) => name)
  const isSpeaking = (surface: SQL) =>
    sql`${surface} in (select jsonb_array_elements_text(${JSON.stringify(speaking)}::jsonb))`
  return sql`
    insert into message_deletions (generation_id, due_at)
    select id, now() from ${from} noted
    where (posted is not null and ${isSpeaking(sql`surface`)})
      or exists (select from sent_messages s where s.generation_id = noted.id and ${isSpeaking(sql`s.surface`)})
    on conflict (generation_id) do nothing`
}

const columns = columnsOf({
  id: typed<string>(messageDeletions.generationId),
  last: typed<boolean>(sql`message_deletions.created_at < now() - ${patience}::interval`),
  surface: generations.surface,
  posted: typed<Posted | null>(generations.posted),
})

/** Deletes what is due, until `signal` aborts. Never rejects. A message that the chat does not let us delete stays. */
export async function deleteDueMessages(core: Core, signal?: AbortSignal): Promise<void> {
  try {
    for (let batch = 0; batch < mostBatches && !signal?.aborted; batch++) {
      const due = await readRows(
        core.database,
        columns,
        (list) => sql`
          update message_deletions set due_at = now() + ${claimedFor}::interval from generations
          where generations.id = message_deletions.generation_id and message_deletions.generation_id in (
            select generation_id from message_deletions where due_at <= now()
            order by due_at limit ${batchSize} for update skip locked)
          returning ${list}`,
      )
      const done = await Promise.all(due.map((each) => deleteMessages(core, each)))
      // a chat that is not available now would refuse the next ones as well
      if (due.length < batchSize || done.includes(false)) return
    }
  } catch (error) {
    core.log.warn({ err: error }, 'could not delete messages of erased requests; the sweeper retries')
  }
}

type Due = NonNullable<(typeof columns)['row']>

/** False: it is tried again. */
async function deleteMessages(core: Core, { id, last, surface, posted }: Due): Promise<boolean> {
  const messages = [...(await allSent(core, id)), ...(posted === null ? [] : [{ surface, posted }])]
  let gone = true
  for (const message of messages) gone = (await isGone(core, id, message)) && gone
  if (gone || last) await core.database.rows(sql`delete from message_deletions where generation_id = ${id}::uuid`)
  return gone || last
}

/** False: the chat is not available now. */
async function isGone(core: Core, id: string, { surface, posted }: { surface: string; posted: Posted }) {
  try {
    await core.surfaces.get(surface)?.remove(posted)
    return true
  } catch (thrown) {
    const { kind, cause } = asAppError(thrown)
    core.log.warn({ id, surface, kind, err: cause }, 'could not delete a message of an erased request')
    return kind !== 'chat_unavailable'
  }
}
