/**
 * Inline queries, as a person types `@bot a cat` in any chat: offers their own latest pictures, and the way into the private chat.
 * Telegram keeps a query for 30 seconds and sends one with every letter, so it is answered at once and never stored.
 */
import { sql } from 'drizzle-orm'
import type { Api } from 'grammy'
import type { InlineQuery, InlineQueryResult } from 'grammy/types'
import type { Posted } from '../../../core/ports/chat.ts'
import { columnsOf, readRows, typed } from '../../../db/columns.ts'
import type { Database } from '../../../db/database.ts'
import { sentMessages } from '../../../db/schema/generations.ts'
import { localeOf, wordsFor } from '../../../locales/index.ts'
import type { Log } from '../../../log.ts'
import { fromPosted } from '../address.ts'
import { failureOf, reasonOf } from '../bot-api.ts'

/** Results of one answer; Telegram allows 50. */
const pageSize = 20
/** Seconds for which Telegram may show the same answer to the same person. */
const cacheSeconds = 5
/** UTF-16 units of a title below a file. */
const maxTitle = 60

interface InlineOptions {
  api: Api
  database: Database
  log: Log
}

/** Never rejects: a query that is not answered shows nothing. */
export async function answerInline({ api, database, log }: InlineOptions, query: InlineQuery): Promise<void> {
  const { id, from } = query
  const button = { text: wordsFor(localeOf(from.language_code)).inline.draw, start_parameter: 'inline' }
  const answer = (results: InlineQueryResult[], next_offset: string) =>
    api.answerInlineQuery(id, results, { button, is_personal: true, cache_time: cacheSeconds, next_offset })
  try {
    const from = Math.max(0, Math.trunc(Number(query.offset)) || 0)
    const pictures = await latestOf(database, query, from)
    const next = pictures.length < pageSize ? '' : String(from + pageSize)
    await answer(pictures.map(resultOf), next).catch(async (error: unknown) => {
      // files that another bot has sent, before the token was changed
      if (!/file/i.test(failureOf(error)?.description ?? '')) throw error
      await answer([], '')
    })
  } catch (error) {
    log.debug({ reason: reasonOf(error) }, 'an inline query was not answered')
  }
}

const columns = columnsOf(
  {
    posted: typed<Posted>(sentMessages.posted),
    fileId: typed<string>(sql`file_ids->>0`),
    prompt: typed<string>(sql`prompt`),
  },
  '',
)

type Picture = NonNullable<(typeof columns)['row']>

/** The person's own, also those that are private: only this person sees them here. Those that the words match come first. */
function latestOf(database: Database, { from, query }: InlineQuery, offset: number): Promise<Picture[]> {
  const words = query.trim().toLowerCase()
  return readRows(
    database,
    columns,
    (list) => sql`
      select ${list} from (
        select distinct on (s.generation_id, s.part) s.posted, s.file_ids, s.created_at, g.request->>'prompt' as prompt
        from identities i
          join generations g on g.user_id = i.user_id
          join sent_messages s on s.generation_id = g.id and s.surface = 'telegram'
        where i.id = ${`telegram:${from.id}`} and g.state = 'delivered' and g.erased_at is null
          and jsonb_array_length(s.file_ids) > 0 and s.part < (g.request->>'count')::int
        order by s.generation_id, s.part, s.created_at desc) own
      order by ${words} <> '' and (strpos(lower(prompt), ${words}) > 0 or strpos(${words}, lower(prompt)) > 0) desc,
        created_at desc
      limit ${pageSize} offset ${offset}::int`,
  )
}

function resultOf({ posted, fileId, prompt }: Picture): InlineQueryResult {
  const { messageId, kind, target } = fromPosted(posted)
  const id = `${target.chatId}:${messageId}`
  return kind === 'document'
    ? { type: 'document', id, document_file_id: fileId, title: prompt.slice(0, maxTitle) || id }
    : { type: 'photo', id, photo_file_id: fileId }
}
