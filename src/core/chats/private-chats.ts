/** Who has written to the bot in private, so that administrators can announce something to all of them. */
import { sql } from 'drizzle-orm'
import type { Core } from '../core.ts'
import type { Call } from '../ports/chat.ts'

/** How exact `seen_at` is: a row that changed with each message would be written all the time. */
const exactness = '1 hour'

/** A person who writes can be written to again. Only for surfaces with announcements. */
export async function notePrivateChat(core: Core, { surface, place, act, from, locale }: Call): Promise<void> {
  // an answer to a question of the bot is a form
  const isWritten = ['message', 'command', 'form'].includes(act.kind)
  if (!isWritten || place.group || !core.surfaces.get(surface)?.announcer) return
  await core.database.rows(sql`
    insert into private_chats (person, locale) values (${from.id}, ${locale})
    on conflict (person) do update set locale = excluded.locale, seen_at = now(), blocked_at = null
    where private_chats.blocked_at is not null or private_chats.locale <> excluded.locale
      or private_chats.seen_at < now() - ${exactness}::interval`)
}
