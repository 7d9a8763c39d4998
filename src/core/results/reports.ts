/**
 * Reports of results. Each is a row first, and `tellOfReports` then shows it to the administrators in private. A process that dies in
 * between leaves the row due, and another one goes on. An administrator may get a report again whose process died right after the post.
 */
import { sql } from 'drizzle-orm'
import { columnsOf, type RowOf, readRows, typed } from '../../db/columns.ts'
import { users } from '../../db/schema/accounts.ts'
import { reports } from '../../db/schema/reactions.ts'
import { identityHash } from '../accounts/bans.ts'
import { reachableAdmins, tellAdmin } from '../chats/admins.ts'
import { button } from '../chats/buttons.ts'
import { createChatPace } from '../chats/pace.ts'
import type { Core } from '../core.ts'
import { asAppError } from '../errors.ts'
import { hasExpired, readKept } from '../generation/result.ts'
import { shortId } from '../ids.ts'
import type { ButtonRows, Reply } from '../ports/chat.ts'

/** Reports of one person that administrators get at once. The others wait. */
const pace = [{ calls: 5, ms: 60_000 }]
/** Longer than the posts of one report take. Later pauses are as long as the report is old. */
const shortestPause = '2 minutes'
/** After this, only `/lookup` shows it. */
const tryFor = '1 day'
const batchSize = 20
/** Of administrators whose language is not known. */
const usualLocale = 'en'

/** A second report of the same person replaces the reason, unless it gives none. The first reason is shown even if it comes later. */
export async function report(
  core: Core,
  { userId, generationId, reason }: { userId: string; generationId: string; reason: string },
): Promise<void> {
  await core.database.rows(sql`
    insert into reports (user_id, generation_id, reason)
    values (${userId}::uuid, ${generationId}::uuid, ${reason})
    on conflict (user_id, generation_id)
      do update set reason = case when excluded.reason = '' then reports.reason else excluded.reason end,
        due_at = case when reports.reason = '' and excluded.reason <> '' then now() else reports.due_at end,
        told = case when reports.reason = '' and excluded.reason <> '' then '{}' else reports.told end`)
  core.log.warn({ id: generationId, userId }, 'a person has reported a result')
}

const shownColumns = { name: users.name, reason: reports.reason, createdAt: reports.createdAt }

/** How many people have reported a result, and the latest reports. */
export async function reportsOf(core: Core, generationId: string, limit: number) {
  const shown = await readRows(
    core.database,
    columnsOf({ ...shownColumns, people: typed<number>(sql`(count(*) over ())::int`) }),
    (list) => sql`
      select ${list} from reports join users on users.id = reports.user_id
      where reports.generation_id = ${generationId}::uuid order by reports.created_at desc limit ${limit}`,
  )
  return { people: shown[0]?.people ?? 0, shown }
}

const wanted = {
  userId: reports.userId,
  generationId: reports.generationId,
  reason: reports.reason,
  told: reports.told,
  isOver: typed<boolean>(sql`reports.due_at is null`),
  people: typed<number>(sql`(
    select count(*)::int from reports other where other.generation_id = reports.generation_id)`),
  reporter: typed<string | null>(sql`(
    select concat_ws(' · ', nullif(users.name, ''), string_agg(concat_ws(' ', i.id, '@' || i.handle), ', ' order by i.created_at))
    from users join identities i on i.user_id = users.id where users.id = reports.user_id group by users.name)`),
  private: typed<boolean>(sql`(select g.private from generations g where g.id = reports.generation_id)`),
}
const columns = columnsOf(wanted)

type Due = RowOf<typeof wanted>

/** Shows administrators the reports that they have not seen. For the sweeper. */
export async function tellOfReports(core: Core): Promise<void> {
  const admins = reachableAdmins(core)
  if (admins.length === 0) return
  // the next try is set before the first post, so that no two processes tell of the same report
  const due = await readRows(
    core.database,
    columns,
    (list) => sql`
      update reports set due_at = case when reports.created_at > now() - ${tryFor}::interval
        then now() + greatest(${shortestPause}::interval, now() - reports.created_at) end
      from (select user_id, generation_id from reports where due_at <= now()
        order by due_at limit ${batchSize} for update skip locked) next
      where reports.user_id = next.user_id and reports.generation_id = next.generation_id
      returning ${list}`,
  )
  await Promise.all(due.filter(({ isOver }) => !isOver).map((each) => tell(core, admins, each)))
}

async function tell(core: Core, admins: readonly string[], due: Due): Promise<void> {
  const { userId, generationId, reason, told } = due
  if (!(await createChatPace(core.database).takeRoom(`report ${userId}`, pace))) return
  const buttons = await buttonsFor(core, due)
  const outcomes = await Promise.all(
    admins.map(async (admin) => {
      const hash = identityHash(core, admin)
      return told.includes(hash) ? 'told' : tellOne(core, { admin, hash, due, buttons })
    }),
  )
  // a report that one administrator has received does not stay open for those who refuse messages from the bot
  if (!outcomes.includes('told') || outcomes.includes('unavailable')) return
  await core.database.rows(sql`
    update reports set due_at = null, told = '{}'
    where user_id = ${userId}::uuid and generation_id = ${generationId}::uuid and ${saysStill(reason)}`)
}

/** A reason that was given meanwhile is due: it has to be shown. */
const saysStill = (reason: string) => sql`(reason = ${reason} or ${reason} <> '')`

interface Telling {
  admin: string
  hash: string
  due: Due
  buttons: ButtonRows | undefined
}

async function tellOne(core: Core, { admin, hash, due, buttons }: Telling) {
  const { userId, generationId: id, reason, people, reporter, private: isPrivate } = due
  const content = { kind: 'report', id, reporter: reporter ?? undefined, reason, people, private: isPrivate } as const
  const write = (locale: string): Reply => ({ locale, state: 'info', content, buttons })
  try {
    // a reason that comes later is another message
    const about = `report ${id} ${userId}${reason === '' ? '' : ' reason'}`
    await tellAdmin(core, admin, { about, locale: usualLocale, write })
  } catch (error) {
    const { kind } = asAppError(error)
    core.log.warn({ id, admin, err: error }, 'could not tell an administrator of a report')
    return kind === 'chat_refused' ? 'refused' : 'unavailable'
  }
  await core.database.rows(sql`
    update reports set told = array_append(told, ${hash}::text)
    where user_id = ${userId}::uuid and generation_id = ${id}::uuid and ${saysStill(reason)}`)
  return 'told'
}

/** Those of the result that administrators may press (access.ts). undefined: there are none. */
async function buttonsFor(core: Core, { generationId: id, private: isPrivate }: Due): Promise<ButtonRows | undefined> {
  const result = isPrivate ? undefined : await readKept(core, id)
  if (!result) return undefined
  const remove = button('delete', id, { style: 'danger' })
  return [hasExpired(result) ? [remove] : [{ ...button('show', id), title: `#${shortId(id)}` }, remove]]
}
