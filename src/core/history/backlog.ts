/** What waits and what is being drawn: how much in a lane, and which requests of an account. */
import { sql } from 'drizzle-orm'
import type { Core } from '../core.ts'

export interface Waiting {
  id: string
  model: string
  provider: string
  /** Place in its provider's queue, from 1. */
  position: number
  createdAt: Date
}

export interface Drawn {
  id: string
  model: string
  provider: string
  percent: number | null
  createdAt: Date
  startedAt: Date | null
}

/** Requests of everybody in a provider's lane. */
export async function countIn(core: Core, lane: string): Promise<{ running: number; pending: number }> {
  const [counts] = await core.database.rows<{ running: number; pending: number }>(sql`
    select count(*) filter (where state <> 'queued')::int as running,
      count(*) filter (where state = 'queued')::int as pending
    from generations where state in ('queued','running','stored') and provider = ${lane}`)
  return counts ?? { running: 0, pending: 0 }
}

/** In the order in which they will be drawn, in all lanes. `userId` null: of any account, for admins. */
export function waitingOf(core: Core, userId: string | null, limit: number): Promise<Waiting[]> {
  return core.database.rows<Waiting>(sql`
    select id, model, provider, position, "createdAt"
    from (
      select id, user_id, model, provider, created_at as "createdAt",
        row_number() over (partition by provider order by priority, id)::int as position
      from generations where state = 'queued') queued
    where ${userId}::uuid is null or user_id = ${userId}::uuid
    order by position, id limit ${limit}`)
}

/** Those that began first come first. `userId` null: of any account, for admins. */
export function drawnOf(core: Core, userId: string | null, limit: number): Promise<Drawn[]> {
  return core.database.rows<Drawn>(sql`
    select g.id, g.model, g.provider, p.percent, g.created_at as "createdAt", g.started_at as "startedAt"
    from generations g left join api_progress p on p.generation_id = g.id
    where g.state in ('running','stored') and (${userId}::uuid is null or g.user_id = ${userId}::uuid)
    order by g.started_at, g.id limit ${limit}`)
}
