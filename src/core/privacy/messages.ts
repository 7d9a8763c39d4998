/** Deletes what a closed account's requests leave in chats: their messages, and where those are. */
import { sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { generations } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'
import { asAppError } from '../errors.ts'
import { allSent } from '../generation/sent-messages.ts'
import type { Posted } from '../ports/chat.ts'

/** Requests whose messages one call deletes. Chats limit calls, and people who are there have priority. */
const batchSize = 20
/** Requests without messages that one call clears. */
const silentRows = 5_000

const columns = columnsOf({
  id: generations.id,
  surface: generations.surface,
  posted: typed<Posted | null>(generations.posted),
})

interface Closed {
  userIds: readonly string[]
  /** It gives up chats that are still unavailable. */
  last: boolean
}

/** Of erased requests, some at a time. A message that the chat does not let us delete stays. */
export async function removeMessages(core: Core, { userIds, last }: Closed): Promise<void> {
  const speaking = [...core.surfaces.values()].filter(({ isSilent }) => !isSilent).map(({ name }) => name)
  const isSpeaking = sql`surface in (select jsonb_array_elements_text(${JSON.stringify(speaking)}::jsonb))`
  for (const userId of userIds) {
    // a range, and sorting by account, make the planner take the index of the account
    const isLeft = sql`user_id between ${userId}::uuid and ${userId}::uuid and erased_at is not null and address <> ''`
    await clear(core, sql`select id from generations where ${isLeft} and not ${isSpeaking} limit ${silentRows}`)
    const left = await readRows(
      core.database,
      columns,
      (list) => sql`
        select ${list} from generations where ${isLeft} and ${isSpeaking}
        order by user_id desc, id desc limit ${batchSize}`,
    )
    for (const { id, surface, posted } of left) {
      const messages = [...(await allSent(core, id)), ...(posted === null ? [] : [{ surface, posted }])]
      const removed = await Promise.all(messages.map((message) => isRemoved(core, id, message)))
      if (last || removed.every(Boolean)) await clear(core, sql`select ${id}::uuid`)
    }
  }
}

/** False: the chat is not available now. */
async function isRemoved(core: Core, id: string, { surface, posted }: { surface: string; posted: Posted }) {
  try {
    await core.surfaces.get(surface)?.remove(posted)
    return true
  } catch (thrown) {
    const { kind, cause } = asAppError(thrown)
    core.log.debug({ id, surface, kind, err: cause }, 'could not delete a message of a closed account')
    return kind !== 'chat_unavailable'
  }
}

/** The key of the call, chats, messages, and prices by person: what erased requests of open accounts keep. */
const clear = (core: Core, which: ReturnType<typeof sql>) =>
  core.database.rows(sql`
    with cleared as (
      update generations set key = 'closed:' || id, address = '', channel = null, posted = null, quoted = null, notes = null,
        request_id = null
      where id in (${which}) and erased_at is not null returning id),
    hooks as (delete from api_webhooks where generation_id in (select id from cleared)),
    begun as (delete from begun_messages where generation_id in (select id from cleared))
    delete from sent_messages where generation_id in (select id from cleared)`)
