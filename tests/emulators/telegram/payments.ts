/** Payments in Telegram Stars: invoices and refunds of the bot, payments of people. */
import type { Update } from '@grammyjs/types'
import { integerOf, isTrue, listOf, textOf } from './body.ts'
import { readKeyboard } from './content.ts'
import { badRequest, queryTooOld } from './errors.ts'
import { toMessage } from './render.ts'
import { post } from './sending.ts'
import { type Method, type Telegram, unixNow } from './telegram.ts'
import type { From, Json, MessageRef, Paid } from './types.ts'

const ANSWER_WITHIN_MS = 10_000
const MAX_PAYLOAD_BYTES = 128

interface Invoice {
  title: string
  payload: string
  stars: number
  /** Seconds between payments of a subscription. Absent: a single payment. */
  period?: number
}

interface Payment extends Invoice {
  userId: number
  chatId: number
  date: number
  refunded: boolean
}

interface Checkout {
  answer?: { ok: boolean; error: string }
}

export interface Payments {
  methods: Record<string, Method>
  /** Pays an invoice or invoice link. Rejects if the bot refuses the checkout or does not answer within 10 s. */
  pay(invoice: MessageRef | string, from?: From): Promise<Paid>
}

export function createPayments(telegram: Telegram): Payments {
  const { world, answered, emit } = telegram
  const invoices = new Map<string, Invoice>()
  const checkouts = new Map<string, Checkout>()
  const payments = new Map<string, Payment>()
  let count = 0

  const methods: Record<string, Method> = {
    sendInvoice(_, call) {
      const invoice = readInvoice(call.params)
      const keyboard = readKeyboard(telegram, call.params) ?? {
        inline_keyboard: [[{ text: `Pay ⭐️${invoice.stars}`, pay: true as const }]],
      }
      const extra = { invoice: invoiceJson(invoice, call.params) }
      const stored = post(telegram, call, { text: '', entities: [], keyboard }, { extra })
      invoices.set(`${stored.room.chat.id}:${stored.id}`, invoice)
      return toMessage(stored)
    },
    createInvoiceLink(_, { params }) {
      count += 1
      const link = `https://t.me/$invoice${count}`
      invoices.set(link, readInvoice(params))
      return link
    },
    answerPreCheckoutQuery(_, { params }) {
      const checkout = checkouts.get(textOf(params, 'pre_checkout_query_id'))
      if (!checkout || checkout.answer) throw queryTooOld()
      checkout.answer = { ok: isTrue(params, 'ok'), error: textOf(params, 'error_message') }
      if (!checkout.answer.ok && !checkout.answer.error) throw badRequest('error_message is empty')
      answered.fire()
      return true
    },
    refundStarPayment(_, { params }) {
      const charge = textOf(params, 'telegram_payment_charge_id')
      const payment = payments.get(charge)
      if (!payment || payment.userId !== integerOf(params, 'user_id')) throw badRequest('CHARGE_NOT_FOUND')
      if (payment.refunded) throw badRequest('CHARGE_ALREADY_REFUNDED')
      payment.refunded = true
      const { user, room } = world.arrive({ userId: payment.userId, chatId: payment.chatId })
      const extra = { refunded_payment: { ...amountJson(payment), telegram_payment_charge_id: charge } }
      emit({ message: toMessage(world.add(room, { from: user, extra })) as NonNullable<Update['message']> })
      return true
    },
    getStarTransactions(_, { params }) {
      const all = [...payments].flatMap(([charge, payment]) => transactionsJson(charge, payment))
      const offset = integerOf(params, 'offset') ?? 0
      return { transactions: all.slice(offset, offset + (integerOf(params, 'limit') ?? 100)) }
    },
  }

  async function pay(target: MessageRef | string, from: From = {}): Promise<Paid> {
    const key = typeof target === 'string' ? target : `${target.chatId}:${target.messageId}`
    const invoice = invoices.get(key)
    if (!invoice) throw new Error(`no invoice at ${key}`)
    const chatId = typeof target === 'string' ? undefined : target.chatId
    const { user, room } = world.arrive({ chatId, ...from })

    count += 1
    const id = `${world.bot.id}${String(count).padStart(9, '0')}`
    const checkout: Checkout = {}
    checkouts.set(id, checkout)
    emit({ pre_checkout_query: { id, from: user, ...amountJson(invoice) } })
    const timeoutText = () => `the bot did not answer the pre-checkout query within ${ANSWER_WITHIN_MS} ms`
    const answer = await answered.until(() => checkout.answer, ANSWER_WITHIN_MS, timeoutText)
    if (!answer.ok) throw new Error(answer.error)

    const chargeId = `stx${id}`
    payments.set(chargeId, { ...invoice, userId: user.id, chatId: room.chat.id, date: unixNow(), refunded: false })
    const extra = { successful_payment: paidJson(invoice, chargeId) }
    const stored = world.add(room, { from: user, extra })
    const message = toMessage(stored)
    const update = emit({ message: message as NonNullable<Update['message']> })
    return { chatId: room.chat.id, messageId: stored.id, message, update, chargeId, stars: invoice.stars }
  }

  return { methods, pay }
}

function readInvoice(params: Json): Invoice {
  const prices = (listOf(params, 'prices') ?? []) as { amount: number }[]
  const payload = textOf(params, 'payload')
  if (textOf(params, 'currency') !== 'XTR' || textOf(params, 'provider_token'))
    throw badRequest('PAYMENT_PROVIDER_INVALID')
  if (prices.length !== 1 || !(prices[0]!.amount > 0)) throw badRequest('STARS_INVOICE_INVALID')
  if (payload === '' || Buffer.byteLength(payload) > MAX_PAYLOAD_BYTES) throw badRequest('INVOICE_PAYLOAD_INVALID')
  const period = integerOf(params, 'subscription_period')
  return { title: textOf(params, 'title'), payload, stars: prices[0]!.amount, period }
}

function invoiceJson({ title, stars }: Invoice, params: Json): Json {
  const [description, start] = [textOf(params, 'description'), textOf(params, 'start_parameter')]
  return { title, description, start_parameter: start, currency: 'XTR', total_amount: stars }
}

function amountJson({ payload, stars }: Invoice) {
  return { currency: 'XTR', total_amount: stars, invoice_payload: payload }
}

function paidJson(invoice: Invoice, chargeId: string): Json {
  const subscription = invoice.period && {
    subscription_expiration_date: unixNow() + invoice.period,
    is_recurring: true,
    is_first_recurring: true,
  }
  return {
    ...amountJson(invoice),
    telegram_payment_charge_id: chargeId,
    provider_payment_charge_id: chargeId.slice(3),
    ...subscription,
  }
}

function transactionsJson(charge: string, { userId, stars, payload, date, refunded }: Payment): Json[] {
  const user = { id: userId, is_bot: false, first_name: 'Ada' }
  const partner = { type: 'user', transaction_type: 'invoice_payment', user, invoice_payload: payload }
  const payment = { id: charge, amount: stars, date }
  return [{ ...payment, source: partner }, ...(refunded ? [{ ...payment, receiver: partner }] : [])]
}
