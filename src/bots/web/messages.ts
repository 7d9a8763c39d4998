/** The playground's conversation, kept in the database: any process answers into it, and a reload shows it again. */

import { type SQL, sql } from 'drizzle-orm'
import type { Options, Reply } from '../../core/ports/chat.ts'
import type { WrittenMessage } from '../../core/ports/conversations.ts'
import type { Form } from '../../core/ports/forms.ts'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import type { Database } from '../../db/database.ts'
import { webMessages } from '../../db/schema/chats.ts'
import type { ReplyParts } from '../layout.ts'

const columns = columnsOf({
  /** '<visitor>:<id made by the page>' is the person's, with ':answer' behind it our answer to that one. */
  id: webMessages.id,
  /** Grows with every change. */
  version: webMessages.version,
  body: typed<Body>(webMessages.body),
  /** null: nothing is hidden, or it is not shown any more. */
  sealed: typed<string | null>(sql`case when sealed_until > now() then sealed end`),
})

export type WebMessage = NonNullable<(typeof columns)['row']>

export interface Body {
  role: 'person' | 'bot'
  text: string
  /** The same as `text`, in parts. */
  parts?: ReplyParts
  state?: Reply['state']
  percent?: number
  /** `preview`: a data: URL in place of something kept, while it is being drawn. */
  images?: { key: string; preview?: string; width: number; height: number; alt: string; name: string }[]
  /** Stored pictures to save. */
  downloads?: { key: string; name: string }[]
  buttons?: ShownButton[][]
  /** Asked of the visitor, below the text. */
  form?: Pick<Form, 'id' | 'fields'>
  /** Names of what the person attached. */
  files?: string[]
  /** The message was deleted: open pages remove it. */
  removed?: boolean
  /** What the person chose beside the text. */
  options?: Options
  /** Shown for a moment by the pages that are open, and no part of the conversation. */
  toast?: boolean
}

interface ShownButton {
  id: string
  label: string
  style?: 'primary' | 'danger'
}

/** The place of a message in the order of changes. */
export type Cursor = Pick<WebMessage, 'id' | 'version'>

/** Of one visitor, in one answer. */
export const pageSize = 100
/** Rows that one call of `pruneWebMessages` deletes at most. */
const pruneRows = 10_000
/** How long a page shows the secrets of a message, also after a reload. */
export const secretMinutes = 10
/** A page that was away for longer does not show a toast. */
const toastSeconds = 30

/**
 * Microseconds of the clock. Two changes may commit in another order than they were stamped: readers look back a little
 * (see events.ts).
 */
const stamp = sql`(extract(epoch from clock_timestamp()) * 1000000)::bigint`

interface NewAnswer {
  id: string
  body: Body
  /** The body with its secrets. Absent: it has none. */
  sealed?: string
}

/** Saves or overwrites, and notifies the open pages of this visitor. What came to its end never waits again. */
export async function saveAnswer(database: Database, visitor: string, { id, body, sealed }: NewAnswer): Promise<void> {
  const until = sealed === undefined ? sql`null` : sql`now() + make_interval(mins => ${secretMinutes}::int)`
  await database.rows(sql`
    with saved as (
      insert into web_messages (id, visitor, version, body, sealed, sealed_until)
      values (${answerTo(id)}, ${visitor}, ${stamp}, ${JSON.stringify(body)}::jsonb, ${sealed ?? null}, ${until})
      on conflict (id) do update
        set body = excluded.body, sealed = excluded.sealed, sealed_until = excluded.sealed_until,
          version = greatest(excluded.version, web_messages.version + 1)
        where web_messages.visitor = excluded.visitor
          and (excluded.body->>'state' <> 'waiting' or web_messages.body->>'state' in ('waiting', 'asking'))
      returning visitor)
    select pg_notify('web', visitor) from saved`)
}

/** A message that was saved before stays as it is. */
export async function saveMessage(database: Database, visitor: string, id: string, body: Body): Promise<void> {
  await database.rows(sql`
    insert into web_messages (id, visitor, version, body)
    values (${id}, ${visitor}, ${stamp}, ${JSON.stringify(body)}::jsonb)
    on conflict (id) do nothing returning pg_notify('web', visitor)`)
}

/** Shows a toast. A repeated one changes nothing. */
export async function saveToast(database: Database, visitor: string, id: string, body: Body): Promise<void> {
  await database.rows(sql`
    insert into web_messages (id, visitor, version, body)
    values (${`${id}:toast`}, ${visitor}, ${stamp}, ${JSON.stringify({ ...body, toast: true })}::jsonb)
    on conflict (id) do nothing returning pg_notify('web', visitor)`)
}

/** Removes the form of a message. */
export async function closeForm(database: Database, visitor: string, id: string): Promise<void> {
  await change(database, visitor, { id, body: sql`body - 'form'` })
}

/** Removes a message that asks for a form. Once the form was sent, the message stays. */
export async function removeForm(database: Database, visitor: string, id: string): Promise<void> {
  await change(database, visitor, { id, body: sql`case when body ? 'form' then ${removed} else body end` })
}

interface OpenForm {
  /** Id of the form. */
  form: string
  /** The message that shows it. */
  id: string
}

/** Removes earlier messages that ask for the same form. */
export async function removeEarlierForms(database: Database, visitor: string, { form, id }: OpenForm): Promise<void> {
  await database.rows(sql`
    with changed as (
      update web_messages set body = ${removed}, version = greatest(${stamp}, version + 1)
      where visitor = ${visitor} and body->'form'->>'id' = ${form} and id <> ${answerTo(id)}
        and created_at <= (select created_at from web_messages where id = ${answerTo(id)})
      returning visitor)
    select pg_notify('web', visitor) from (select distinct visitor from changed) once`)
}

interface NewButtons {
  id: string
  buttons: ShownButton[][]
}

/** Replaces the buttons of our answer to a message; the rest of the answer stays. */
export async function changeButtons(database: Database, visitor: string, { id, buttons }: NewButtons): Promise<void> {
  const body = sql`jsonb_set(body, '{buttons}', ${JSON.stringify(buttons)}::jsonb)`
  await change(database, visitor, { id: answerTo(id), body })
}

/** Deletes our answer to a message. */
export async function removeAnswer(database: Database, visitor: string, id: string): Promise<void> {
  await change(database, visitor, { id: answerTo(id), body: removed })
}

/** The latest part of the conversation, oldest first. */
export async function readLatest(database: Database, visitor: string): Promise<WebMessage[]> {
  const rows = await select(database, visitor, sql`not ${isToast} order by version desc, id desc`)
  return rows.reverse()
}

/** What changed after `place`, oldest first; fewer than `pageSize` means that this was all. */
export function readChanges(database: Database, visitor: string, { version, id }: Cursor): Promise<WebMessage[]> {
  const isOver = sql`${isToast} and created_at < now() - make_interval(secs => ${toastSeconds}::int)`
  const after = sql`(version, id) > (${version}::bigint, ${id}::text)`
  return select(database, visitor, sql`${after} and not (${isOver}) order by version, id`)
}

export async function readMessage(database: Database, visitor: string, id: string): Promise<WebMessage | undefined> {
  return (await select(database, visitor, sql`id = ${id}`))[0]
}

/** Deletes secrets that are not shown any more. Pages that are open keep showing them until they are loaded again. */
export async function forgetSecrets(database: Database): Promise<void> {
  await database.rows(sql`
    update web_messages set sealed = null, sealed_until = null where sealed_until <= now()`)
}

/** Deletes what is older, some of it at a time; resolves to the number of messages that went. */
export async function pruneWebMessages(database: Database, olderThanDays: number): Promise<number> {
  const gone = await database.rows(sql`
    delete from web_messages where id in (
      select id from web_messages where created_at < now() - make_interval(days => ${olderThanDays}::int)
      limit ${pruneRows})
    returning 1`)
  return gone.length
}

const writtenColumns = columnsOf({
  id: webMessages.id,
  version: webMessages.version,
  text: typed<string>(sql`body->>'text'`),
  options: typed<Options | null>(sql`body->'options'`),
  files: typed<readonly string[] | null>(sql`body->'files'`),
  createdAt: webMessages.createdAt,
})

/** What these people wrote, oldest first. */
export async function* readWritten(database: Database, visitors: readonly string[]): AsyncGenerator<WrittenMessage> {
  for (const visitor of visitors) {
    for (let after: Cursor = { version: 0, id: '' }; ; ) {
      const { version, id } = after
      const rows = await readRows(
        database,
        writtenColumns,
        (list) => sql`
          select ${list} from web_messages
          where visitor = ${visitor} and (version, id) > (${version}::bigint, ${id}::text) and body->>'role' = 'person'
          order by version, id limit ${pageSize}`,
      )
      for (const { text, options, files, createdAt } of rows) yield { text, options, files, createdAt }
      const last = rows.at(-1)
      if (!last || rows.length < pageSize) break
      after = last
    }
  }
}

/** Deletes whole conversations. */
export async function forgetConversations(database: Database, visitors: readonly string[]): Promise<void> {
  await database.rows(sql`
    delete from web_messages
    where visitor in (select jsonb_array_elements_text(${JSON.stringify(visitors)}::jsonb))`)
}

const removed = sql`${JSON.stringify({ role: 'bot', text: '', removed: true } satisfies Body)}::jsonb`

const isToast = sql`(body->'toast' is not null)`

/** Notifies the open pages of this visitor. */
async function change(database: Database, visitor: string, { id, body }: { id: string; body: SQL }): Promise<void> {
  await database.rows(sql`
    with changed as (
      update web_messages set body = ${body}, sealed = null, sealed_until = null,
        version = greatest(${stamp}, version + 1)
      where id = ${id} and visitor = ${visitor} and body is distinct from ${body} returning visitor)
    select pg_notify('web', visitor) from changed`)
}

/** Id of our answer to a message. */
export const answerTo = (id: string) => `${id}:answer`

function select(database: Database, visitor: string, rest: SQL): Promise<WebMessage[]> {
  return readRows(
    database,
    columns,
    (list) => sql`select ${list} from web_messages where visitor = ${visitor} and ${rest} limit ${pageSize}`,
  )
}
