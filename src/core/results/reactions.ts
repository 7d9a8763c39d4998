/** Favourites and ratings of results. A press that is handled twice changes them once. */
import { and, eq, sql } from 'drizzle-orm'
import { favourites, ratings } from '../../db/schema/reactions.ts'
import type { Core } from '../core.ts'

interface Reaction {
  userId: string
  generationId: string
  /** Key of the call: the same key again changes nothing. */
  key: string
}

export type Rating = 'up' | 'down'

const values = { up: 1, down: -1 } as const
/** Days for which a repeated press is recognised; the inbox repeats an act for a shorter time. */
const keptDays = 2

/** Marks or unmarks it. Resolves to whether it is a favourite now. */
export async function toggleFavourite(core: Core, { userId, generationId, key }: Reaction): Promise<boolean> {
  await core.database.rows(sql`
    with ${press(key)},
    removed as (
      delete from favourites where user_id = ${userId}::uuid and generation_id = ${generationId}::uuid
        and exists (select from press) returning 1)
    insert into favourites (user_id, generation_id)
    select ${userId}::uuid, ${generationId}::uuid from press where not exists (select from removed)
    on conflict do nothing`)
  return isFavourite(core, { userId, generationId })
}

export async function isFavourite(core: Core, { userId, generationId }: Omit<Reaction, 'key'>): Promise<boolean> {
  const [row] = await core.database.db
    .select({ at: favourites.createdAt })
    .from(favourites)
    .where(and(eq(favourites.userId, userId), eq(favourites.generationId, generationId)))
  return row !== undefined
}

/** The same rating again removes it. Resolves to the rating that is then in force. */
export async function rate(
  core: Core,
  { userId, generationId, key }: Reaction,
  rating: Rating,
): Promise<Rating | undefined> {
  const value = values[rating]
  await core.database.rows(sql`
    with ${press(key)},
    removed as (
      delete from ratings where user_id = ${userId}::uuid and generation_id = ${generationId}::uuid
        and value = ${value}::smallint and exists (select from press) returning 1)
    insert into ratings (user_id, generation_id, value)
    select ${userId}::uuid, ${generationId}::uuid, ${value}::smallint from press where not exists (select from removed)
    on conflict (user_id, generation_id) do update set value = excluded.value, created_at = now()`)
  const [row] = await core.database.db
    .select({ value: ratings.value })
    .from(ratings)
    .where(and(eq(ratings.userId, userId), eq(ratings.generationId, generationId)))
  if (!row) return undefined
  return row.value > 0 ? 'up' : 'down'
}

/** Returns a row only the first time. */
const press = (key: string) => sql`
  old as (delete from presses where created_at < now() - make_interval(days => ${keptDays}::int)),
  press as (insert into presses (key) values (${key}) on conflict (key) do nothing returning key)`
