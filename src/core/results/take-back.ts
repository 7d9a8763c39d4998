/** A request whose message was edited, taken back so that what the message says now can take its place. */
import { sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { generations } from '../../db/schema/generations.ts'
import { accountOf } from '../accounts/accounts.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { endCancelled } from '../generation/end.ts'
import { oldestUnfinished } from '../history/backlog.ts'
import type { Call, Posted } from '../ports/chat.ts'
import type { PictureRequest } from '../ports/models.ts'

const columns = columnsOf({
  id: generations.id,
  surface: generations.surface,
  posted: typed<Posted | null>(generations.posted),
  locale: generations.locale,
  request: typed<PictureRequest>(generations.request),
  price: generations.price,
  state: generations.state,
  /** Key of the call that cancelled it. */
  by: typed<string | null>(sql`generations.error_data->>'by'`),
})

type Latest = NonNullable<(typeof columns)['row']>

export type TakenBack = Omit<Latest, 'state' | 'by'>

/**
 * Cancels the latest request of an edited message, unless a worker has started it. undefined: there is none, or it has failed. A
 * repeated call finds what it has cancelled before. Throws AppError edited_late.
 */
export async function takeBack(core: Core, call: Pick<Call, 'key' | 'edits' | 'from'>): Promise<TakenBack | undefined> {
  const userId = await accountOf(core, call.from)
  const latest = await latestOf(core, userId, call)
  if (!latest || latest.state === 'failed') return undefined
  if (latest.state === 'cancelled') return latest.by === call.key ? latest : undefined
  const cancelled = await endCancelled(core, { userId, id: latest.id, by: call.key, unstarted: true })
  if (!cancelled) throw new AppError('edited_late')
  return cancelled
}

/** An earlier edit has a request of its own. */
async function latestOf(
  core: Core,
  userId: string,
  { key, edits = '' }: Pick<Call, 'key' | 'edits'>,
): Promise<Latest | undefined> {
  const [latest] = await readRows(
    core.database,
    columns,
    (list) => sql`
      select ${list} from generations
      where key <> ${key} and user_id = ${userId}::uuid and (key = ${edits}
        or (id > ${oldestUnfinished(core)}::uuid and starts_with(key, ${`${edits}:edit:`})))
      order by id desc limit 1`,
  )
  return latest
}
