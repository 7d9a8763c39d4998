/** Who gets a broadcast: people with a private chat who have neither blocked the bot nor opted out, and are not banned. */
import { type SQL, sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { allLanguages, type Language } from '../../locales/index.ts'
import { isBanned } from '../accounts/bans.ts'
import type { Core } from '../core.ts'

/** active: wrote within the last 30 days. A language: that of the person's settings, else that of their client. */
export type Audience = 'everyone' | 'active' | Language

/** In the order in which people choose from them. */
export const audiences: readonly Audience[] = ['everyone', 'active', ...allLanguages.map(([name]) => name)]

export const activeDays = 30

/** What the account of a person says. Statements name the chat `c`. */
const own = (wanted: SQL) => sql`(
  select ${wanted} from identities i join users on users.id = i.user_id
  left join user_settings s on s.user_id = i.user_id where i.id = c.person)`

/** The language of the person `c`. */
export const languageOf: SQL = sql`coalesce(${own(sql`s.language`)}, c.locale)`

/** Whether an announcement may go to the person `c`. */
export const mayReceive: SQL = sql`(c.blocked_at is null and coalesce(${own(
  sql`not ${isBanned} and s.announcements is not false`,
)}, true))`

export function isIn(audience: Audience): SQL {
  if (audience === 'everyone') return sql`true`
  if (audience === 'active') return sql`c.seen_at > now() - make_interval(days => ${activeDays}::int)`
  return sql`${languageOf} = ${audience}`
}

/** Of `private_chats c`. */
export const isOf = (surface: string): SQL => sql`starts_with(c.person, ${`${surface}:`})`

/** How many people each audience has now. */
export async function countAudiences(core: Core, surface: string): Promise<{ audience: Audience; people: number }[]> {
  const counts = sql.join(
    audiences.map((audience) => sql`count(*) filter (where ${isIn(audience)})`),
    sql`, `,
  )
  const [row] = await readRows(
    core.database,
    columnsOf({ counts: typed<number[]>(sql`jsonb_build_array(${counts})`) }),
    (list) => sql`select ${list} from private_chats c where ${isOf(surface)} and ${mayReceive}`,
  )
  return audiences.map((audience, index) => ({ audience, people: row?.counts[index] ?? 0 }))
}
