/**
 * The requests of an account, newest first, in pages. A page starts next to a given request (its cursor), so every page costs
 * the same, and requests that are made or erased meanwhile do not shift it.
 */
import { type SQL, sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { type GenerationState, generations } from '../../db/schema/generations.ts'
import { favourites } from '../../db/schema/reactions.ts'
import type { Core } from '../core.ts'
import type { PictureRequest } from '../ports/models.ts'

export const historyStates = ['done', 'failed', 'waiting', 'cancelled'] as const
export type HistoryState = (typeof historyStates)[number]

export interface HistoryFilter {
  /** Id of the model that was asked for. */
  model?: string
  state?: HistoryState
  /** Only the person's favourites, also those that others asked for. */
  favourites?: boolean
}

/** The requests before or after one of them. */
export interface Cursor {
  direction: 'older' | 'newer'
  id: string
}

const columnsFor = (userId: string) =>
  columnsOf({
    id: generations.id,
    state: generations.state,
    request: typed<PictureRequest>(generations.request),
    createdAt: generations.createdAt,
    isFavourite: typed<boolean>(sql`exists (select from ${favourites}
    where ${favourites.userId} = ${userId}::uuid and ${favourites.generationId} = ${generations.id})`),
    /** The first picture. null: there is none, or it is flagged. */
    picture: typed<{
      key: string
      width: number
      height: number
    } | null>(sql`case when ${generations.state} = 'delivered' then (
    select jsonb_build_object('key', i.key, 'width', i.width, 'height', i.height) from images i
    where i.generation_id = ${generations.id} and i.role = 'output' and i.position = 0 and not i.flagged) end`),
  })

export type PastRequest = NonNullable<ReturnType<typeof columnsFor>['row']>

export interface HistoryPage {
  rows: PastRequest[]
  newer: boolean
  older: boolean
}

/** As many requests as fit into a caption in every chat. */
export const pageSize = 6
export const lastPage = 100

const statesOf: Readonly<Record<HistoryState, readonly GenerationState[]>> = {
  done: ['delivered'],
  failed: ['failed'],
  waiting: ['queued', 'running', 'stored'],
  cancelled: ['cancelled'],
}

/** What the states imply, in the words of an index that has only such requests. `state` itself is in none, so that its changes stay HOT. */
const partOf: Readonly<Record<HistoryState, readonly SQL[]>> = {
  done: [],
  failed: [sql`${generations.error} is not null`],
  waiting: [sql`${generations.endedAt} is null`],
  cancelled: [sql`${generations.error} is not null`],
}

/** Reads the newest page without a cursor, and also if the page that the cursor asks for no longer exists. */
export async function readHistory(
  core: Core,
  userId: string,
  { filter, from }: { filter: HistoryFilter; from?: Cursor },
): Promise<HistoryPage> {
  const isNewer = from?.direction === 'newer'
  const found = await readRows(
    core.database,
    columnsFor(userId),
    (list) => sql`
      select ${list} from (${matching(userId, filter, from)} limit ${pageSize + 1}) generations
      order by generations.id desc`,
  )
  const isMore = found.length > pageSize
  if (isNewer) {
    // the newest page is always full
    if (!isMore && found.length < pageSize) return readHistory(core, userId, { filter })
    return { rows: isMore ? found.slice(1) : found, newer: isMore, older: true }
  }
  if (from && found.length === 0) return readHistory(core, userId, { filter })
  return { rows: found.slice(0, pageSize), newer: from !== undefined, older: isMore }
}

/** Where the page with this number starts, from 2. It skips a few hundred requests at most. undefined: there is no such page. */
export async function startOf(
  core: Core,
  userId: string,
  { filter, page }: { filter: HistoryFilter; page: number },
): Promise<Cursor | undefined> {
  const [last] = await readRows(
    core.database,
    columnsOf({ id: generations.id }),
    (list) => sql`
      select ${list} from (${matching(userId, filter)} limit 1 offset ${(Math.min(page, lastPage) - 1) * pageSize - 1})
      generations`,
  )
  return last && { direction: 'older', id: last.id }
}

/**
 * Sorted. The range of a single account and the sorting by account keep the planner from reading the primary key backwards,
 * which would read every later request of other accounts.
 */
function matching(userId: string, { model, state, favourites: isFavourite }: HistoryFilter, from?: Cursor): SQL {
  const [source, owner, id] = isFavourite
    ? [
        sql`${favourites} join ${generations} on ${generations.id} = ${favourites.generationId}
          and (${generations.userId} = ${favourites.userId} or not ${generations.private})`,
        favourites.userId,
        favourites.generationId,
      ]
    : [sql`${generations}`, generations.userId, generations.id]
  // a row comparison bounds the part of the index that is read; `order by` with the same columns makes the planner choose that index
  const byModel = model !== undefined && !isFavourite
  const key = byModel ? [owner, generations.model] : [owner]
  const values = byModel ? [sql`${userId}::uuid`, sql`${model}::text`] : [sql`${userId}::uuid`]
  const order = from?.direction === 'newer' ? sql`asc` : sql`desc`
  const conditions = [
    sql`(${sql.join(key, sql`, `)}) between (${sql.join(values, sql`, `)}) and (${sql.join(values, sql`, `)})`,
    sql`${generations.erasedAt} is null`,
    ...(from?.direction === 'older' ? [sql`${id} < ${from.id}::uuid`] : []),
    ...(from?.direction === 'newer' ? [sql`${id} > ${from.id}::uuid`] : []),
    ...(model === undefined ? [] : [sql`${generations.model} = ${model}`]),
    ...(state === undefined ? [] : [sql`${generations.state} in ${statesOf[state]}`, ...partOf[state]]),
  ]
  return sql`select ${generations}.* from ${source} where ${sql.join(conditions, sql` and `)}
    order by ${sql.join(
      [...key, id].map((column) => sql`${column} ${order}`),
      sql`, `,
    )}`
}
