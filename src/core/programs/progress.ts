/** Progress of requests of the API: workers save it, and the processes that wait for the requests read it. */
import { eq, sql } from 'drizzle-orm'
import type { Database } from '../../db/database.ts'
import { type GenerationState, generations } from '../../db/schema/generations.ts'
import { apiProgress } from '../../db/schema/programs.ts'
import type { Core } from '../core.ts'
import { notify } from '../events/events.ts'

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
    select ${notify('progress', sql`generation_id`)} from saved`)
}

/** Reads as little as possible, because hundreds may poll. Resolves to undefined when there is no such generation. */
export async function readProgress(
  core: Pick<Core, 'database'>,
  id: string,
  { seen, withPreview }: { seen: Progress; withPreview: boolean },
): Promise<Progress | undefined> {
  const version = sql<string | null>`${apiProgress.updated}::text`
  const [row] = await core.database.db
    .select({
      state: generations.state,
      percent: apiProgress.percent,
      version,
      preview: sql<string | null>`case when ${withPreview}::bool and ${version} is distinct from ${seen.version}::text
        then encode(${apiProgress.preview}, 'base64') end`,
    })
    .from(generations)
    .leftJoin(apiProgress, eq(apiProgress.generationId, generations.id))
    .where(eq(generations.id, id))
  return row
}
