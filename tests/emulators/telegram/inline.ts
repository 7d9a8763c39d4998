/** Inline queries of people, and the bot's answers to them. */
import type { Update } from '@grammyjs/types'
import { integerOf, isTrue, listOf, objectOf, textOf } from './body.ts'
import { badRequest, queryTooOld } from './errors.ts'
import type { Method, Telegram } from './telegram.ts'
import type { From, InlineAnswer, InlineAsked, Json } from './types.ts'

const MAX_RESULTS = 50
const MAX_ID_BYTES = 64
const ANSWER_WITHIN_MS = 60_000

interface Query {
  expiresAt: number
  answer?: InlineAnswer
}

export interface Inline {
  methods: Record<string, Method>
  /** Types `@bot <text>` into a chat. `offset`: the next page of an earlier answer. */
  askInline(text: string, from?: From, offset?: string): InlineAsked
}

export function createInline(telegram: Telegram, lifeMs: number): Inline {
  const { world, files, answered, emit } = telegram
  const queries = new Map<string, Query>()

  function checkResult(result: Json): void {
    const { id, type, photo_file_id: photo, document_file_id: document } = result
    if (typeof id !== 'string' || id === '' || Buffer.byteLength(id) > MAX_ID_BYTES)
      throw badRequest('RESULT_ID_INVALID')
    if (photo !== undefined && !files.photo(String(photo))) throw badRequest('wrong file identifier/HTTP URL specified')
    if (document !== undefined && !files.document(String(document))) throw badRequest('DOCUMENT_INVALID')
    if (type === 'document' && textOf(result, 'title') === '') throw badRequest('document title must be non-empty')
  }

  return {
    methods: {
      answerInlineQuery(_, { params }) {
        const query = queries.get(textOf(params, 'inline_query_id'))
        if (!query || query.answer || Date.now() >= query.expiresAt) throw queryTooOld()
        const results = (listOf(params, 'results') ?? []) as Json[]
        if (results.length > MAX_RESULTS) throw badRequest('RESULTS_TOO_MUCH')
        if (new Set(results.map(({ id }) => id)).size < results.length) throw badRequest('RESULT_ID_DUPLICATE')
        for (const result of results) checkResult(result)
        const button = objectOf(params, 'button')
        const start = button && textOf(button, 'start_parameter')
        if (start !== undefined && !/^[\w-]{1,64}$/.test(start)) throw badRequest('START_PARAM_INVALID')
        query.answer = {
          results,
          button: button && textOf(button, 'text'),
          startParameter: start,
          isPersonal: isTrue(params, 'is_personal'),
          cacheSeconds: integerOf(params, 'cache_time') ?? 300,
          nextOffset: textOf(params, 'next_offset'),
        }
        answered.fire()
        return true
      },
    },

    askInline(text, from = {}, offset = '') {
      const { user } = world.arrive(from)
      const id = `${BigInt(user.id) * 4_294_967_296n + BigInt(queries.size)}`
      queries.set(id, { expiresAt: Date.now() + lifeMs })
      const inline: NonNullable<Update['inline_query']> = { id, from: user, query: text, offset, chat_type: 'sender' }
      const timeoutText = () => `the bot did not answer the inline query "${text}"`
      return {
        update: emit({ inline_query: inline }),
        answered: () => answered.until(() => queries.get(id)?.answer, ANSWER_WITHIN_MS, timeoutText),
      }
    },
  }
}
