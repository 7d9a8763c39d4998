/**
 * Inline queries, as a person types `@bot a cat` in any chat: offers their own latest pictures, and the way into the private chat.
 * Telegram keeps a query for 30 seconds and sends one with every letter, so it is answered at once and never stored.
 */
import { sql } from 'drizzle-orm'
import type { Api } from 'grammy'
import type { InlineQuery, InlineQueryResult } from 'grammy/types'
import { isBanned } from '../../../core/accounts/bans.ts'
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

/** Latest requests whose pictures are offered, so that each letter costs the same for every account. */
const lookedAt = 200

interface InlineOptions {
  api: Api
  database: Database
  log: Log
}

/**
 * Answers one query of a person at a time. Of those that come meanwhile, only the last one is of use: people type on. Returns a
 * function that never throws.
 */
export function createInline(options: InlineOptions): (query: InlineQuery) => void {
  /** Person → the query that waits. */
  const waiting = new Map<number, InlineQuery | undefined>()
  const answerAll = async (first: InlineQuery) => {
    const { id } = first.from
    for (let next: InlineQuery | undefined = first; next; next = waiting.get(id)) {
      waiting.set(id, undefined)
      await answerInline(options, next)
    }
    waiting.delete(id)
  }
  return (query) => {
    const { id } = query.from
    if (waiting.has(id)) waiting.set(id, query)
    else void answerAll(query)
  }
}

/** Never rejects: a query that is not answered shows nothing. */
async function answerInline({ api, database, log }: InlineOptions, query: InlineQuery): Promise<void> {
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

/**
 * The person's own, also those that are private: only this person sees them here. Those that the words match come first. None of a
 * banned person.
 */
function latestOf(database: Database, { from, query }: InlineQuery, offset: number): Promise<Picture[]> {
  const words = query.trim().toLowerCase()
  const owner = sql`(
    select users.id from identities join users on users.id = identities.user_id
    where identities.id = ${`telegram:${from.id}`} and not ${isBanned})`
  return readRows(
    database,
    columns,
    (list) => sql`
      select ${list} from (
        select distinct on (s.generation_id, s.part) s.posted, s.file_ids, s.created_at, g.request->>'prompt' as prompt
        from (
          select id, request, state, erased_at from generations where user_id between ${owner} and ${owner}
          order by user_id desc, id desc limit ${lookedAt}) g
          join sent_messages s on s.generation_id = g.id and s.surface = 'telegram'
        where g.state = 'delivered' and g.erased_at is null and jsonb_array_length(s.file_ids) > 0 and s.part < (g.request->>'count')::int
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
