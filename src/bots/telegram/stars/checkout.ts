/**
 * Pre-checkout queries: Telegram asks whether a person may pay an invoice, and cancels the payment if it gets no answer within ten
 * seconds. They are answered at once by the process that receives them, without the inbox and the queue, and never stored.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Api } from 'grammy'
import type { PreCheckoutQuery } from 'grammy/types'
import { readSettings } from '../../../core/accounts/settings.ts'
import { checkoutProblem } from '../../../core/billing/payments.ts'
import { AppError } from '../../../core/errors.ts'
import type { Database } from '../../../db/database.ts'
import { localeOf, wordsFor } from '../../../locales/index.ts'
import type { Log } from '../../../log.ts'
import { asSignal, failureOf, reasonOf } from '../bot-api.ts'
import { identityOf } from '../incoming/people.ts'
import { cut } from '../outgoing/text.ts'

/** For the database. Without its answer the payment is refused: nothing is charged, and the person can try again. */
const checkMs = 1_500
/** For one call of Telegram, of which there are at most `tries`. */
const callMs = 3_000
const tries = 2
/** UTF-16 units, as of other short texts that Telegram shows. */
const maxReason = 200

interface CheckoutOptions {
  api: Api
  database: Database
  log: Log
}

/** Returns a function that never throws. */
export function createCheckout(options: CheckoutOptions): (query: PreCheckoutQuery) => void {
  return (query) => void answerCheckout(options, query)
}

async function answerCheckout({ api, database, log }: CheckoutOptions, query: PreCheckoutQuery): Promise<void> {
  const reason = await withinTime(refusalOf(database, query)).catch((error: unknown) => {
    log.warn({ err: error }, 'an invoice could not be checked, so its payment was refused')
    return wordsFor(localeOf(query.from.language_code)).errors.chat_unavailable()
  })
  const answer = reason === undefined ? {} : { error_message: cut(reason, maxReason) }
  for (let attempt = 1; ; attempt++) {
    try {
      const signal = asSignal(AbortSignal.timeout(callMs))
      await api.answerPreCheckoutQuery(query.id, reason === undefined, answer, signal)
      return
    } catch (error) {
      // another process may have answered it
      const isOver = failureOf(error)?.code === 400
      if (!isOver && attempt < tries) continue
      log[isOver ? 'debug' : 'warn']({ reason: reasonOf(error) }, 'a pre-checkout query was not answered')
      return
    }
  }
}

async function withinTime<T>(work: Promise<T>): Promise<T> {
  const over = new AbortController()
  const late = pause(checkMs, undefined, { signal: over.signal }).then(() => {
    throw new AppError('internal')
  })
  try {
    return await Promise.race([work, late])
  } finally {
    over.abort()
    late.catch(() => undefined)
    work.catch(() => undefined)
  }
}

/** In the person's language. undefined: they may pay. */
async function refusalOf(database: Database, query: PreCheckoutQuery): Promise<string | undefined> {
  const { from, currency, total_amount: amount, invoice_payload: orderId } = query
  const person = identityOf(from)
  const place = { channel: String(from.id), nsfw: false, manager: false, roles: [] }
  const [problem, { chosen }] = await Promise.all([
    checkoutProblem({ database }, { orderId, payer: person.id, amount, currency }),
    readSettings({ database }, { surface: 'telegram', from: person, place }),
  ])
  if (!problem) return undefined
  return wordsFor(chosen.language ?? localeOf(from.language_code)).errors[problem.kind](problem.data)
}
