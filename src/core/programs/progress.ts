/** Progress of requests of the API: workers save it, and the processes that wait for the requests read it. */
import { sql } from 'drizzle-orm'
import type { Database } from '../../db/db.ts'
import type { GenerationState } from '../../db/schema.ts'
import type { Core } from '../core.ts'
import { progressChannel } from '../events/watch.ts'

export interface Progress {
  state: GenerationState
  /** 0–100. null: not known. */
  percent: number | null
  /** Version of the row. null: nothing was saved yet. */
  version: string | null
  /** Picture in base64. null: there is none, or `seen` had it already. */
  preview: string | null
}

/** Does nothing once the request has ended. Rows that a worker saved too late are deleted by a later call, after an hour. */
export async function saveProgress(
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
    select pg_notify(${progressChannel}, generation_id::text) from saved`)
}

/** Reads as little as possible, because hundreds may poll. Resolves to undefined when there is no such generation. */
export async function readProgress(
  core: Pick<Core, 'database'>,
  id: string,
  { seen, withPreview }: { seen: Progress; withPreview: boolean },
): Promise<Progress | undefined> {
  const [row] = await core.database.rows<Progress>(sql`
    select g.state, p.percent, p.updated::text as version,
      case when ${withPreview}::bool and p.updated::text is distinct from ${seen.version}::text
        then encode(p.preview, 'base64') end as preview
    from generations g left join api_progress p on p.generation_id = g.id where g.id = ${id}::uuid`)
  return row
}
