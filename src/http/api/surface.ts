/**
 * Programs that use the HTTP API, as a surface: nothing is posted anywhere, for they ask what became of their request.
 * What would be shown while they wait is kept where every process finds it, and whoever waits is woken.
 */
import { sql } from 'drizzle-orm'
import { notify } from '../../core/events/events.ts'
import type { ChatSurface, Posted, Reply } from '../../core/ports/chat.ts'
import type { Database } from '../../db/database.ts'

const paceMs = 500

export function createApiSurface({ database }: { database: Database }): ChatSurface {
  /** An address is 'api:<generation>', and stands for what was posted there too. */
  async function show(posted: Posted, { state, content, pictures }: Reply): Promise<Posted> {
    const preview = pictures?.[0]?.file.data
    const percent = content.kind === 'drawing' ? content.percent : undefined
    if (state === 'waiting' && (percent !== undefined || preview)) {
      await saveProgress(database, posted.slice('api:'.length), { percent, preview })
    }
    return posted
  }

  return {
    name: 'api',
    paceMs,
    post: show,
    edit: show,
    start: async () => undefined,
    stop: async () => undefined,
    notReady: () => undefined,
  }
}

/** What a worker left behind that came too late goes after an hour, with the next. */
async function saveProgress(
  database: Database,
  id: string,
  { percent, preview }: { percent?: number; preview?: Buffer },
): Promise<void> {
  await database.rows(sql`
    with old as (delete from api_progress where updated < now() - interval '1 hour' and generation_id <> ${id}::uuid),
    saved as (
      insert into api_progress (generation_id, percent, preview, updated)
      select id, ${percent ?? null}::int, decode(${preview?.toString('base64') ?? null}::text, 'base64'), clock_timestamp()
      from generations where id = ${id}::uuid and state in ('queued','running') for share
      on conflict (generation_id) do update set percent = coalesce(excluded.percent, api_progress.percent),
        preview = coalesce(excluded.preview, api_progress.preview), updated = excluded.updated
      returning generation_id)
    select ${notify('progress', sql`generation_id`)} from saved`)
}
