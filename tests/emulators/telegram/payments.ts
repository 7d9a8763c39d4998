/** Payments in Telegram Stars: invoices and refunds of the bot, payments of people. */
import type { Update } from '@grammyjs/types'
import { integerOf, isTrue, listOf, textOf } from './body.ts'
import { readKeyboard } from './content.ts'
import { badRequest, queryTooOld } from './errors.ts'
import { toMessage } from './render.ts'
import { post } from './sending.ts'
import { type Method, type Telegram, unixNow } from './telegram.ts'
import type { From, Json, MessageRef, Paid } from './types.ts'

/** Telegram cancels the payment after this time. */
export const CHECKOUT_LIFE_MS = 10_000
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

interface CheckoutAnswer {
  ok: boolean
  error: string
}

interface Checkout {
  expiresAt: number
  answer?: CheckoutAnswer
}

/** What a person is about to pay. */
interface Offer {
  payload: string
  stars: number
  currency?: string
}

export interface Payments {
  methods: Record<string, Method>
  /**
   * Pays an invoice or invoice link. Rejects if the bot refuses the checkout or does not answer within 10 s. `isLost`: the bot never gets
   * the message about the payment.
   */
  pay(invoice: MessageRef | string, from?: From, options?: { isLost?: boolean }): Promise<Paid>
  /** Asks the bot whether a person may pay. Resolves to its answer. */
  askCheckout(offer: Offer, from?: From): Promise<CheckoutAnswer & { answeredMs: number }>
  /** Refunds a payment without the bot. `isLost`: the bot never gets the message about it. Returns the update. */
  refund(chargeId: string, options?: { isLost?: boolean }): Update | undefined
  /** Adds withdrawals to the list of transactions, as the bot's owner makes them. */
  withdraw(times: number): void
}

export function createPayments(telegram: Telegram, checkoutLifeMs: number): Payments {
  const { world, answered, emit } = telegram
  const invoices = new Map<string, Invoice>()
  const checkouts = new Map<string, Checkout>()
  const payments = new Map<string, Payment>()
  /** In chronological order. */
  const transactions: Json[] = []
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
      if (!checkout || checkout.answer || Date.now() >= checkout.expiresAt) throw queryTooOld()
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
      refund(charge)
      return true
    },
    getStarTransactions(_, { params }) {
      const limit = integerOf(params, 'limit') ?? 100
      if (limit < 1 || limit > 100) throw badRequest('LIMIT_INVALID')
      const offset = integerOf(params, 'offset') ?? 0
      return { transactions: transactions.slice(offset, offset + limit) }
    },
  }

  function refund(charge: string, { isLost = false } = {}): Update | undefined {
    const payment = payments.get(charge)
    if (!payment) throw new Error(`no payment ${charge}`)
    payment.refunded = true
    // who was paid back, without the payload
    const partner = { type: 'user', transaction_type: 'invoice_payment', user: userJson(payment) }
    transactions.push({ id: charge, amount: payment.stars, date: unixNow(), receiver: partner })
    const { user, room } = world.arrive({ userId: payment.userId, chatId: payment.chatId })
    const extra = { refunded_payment: { ...amountJson(payment), telegram_payment_charge_id: charge } }
    const message = toMessage(world.add(room, { from: user, extra })) as NonNullable<Update['message']>
    return isLost ? undefined : emit({ message })
  }

  async function askCheckout(offer: Offer, from: From = {}) {
    const { user } = world.arrive(from)
    count += 1
    const id = `${world.bot.id}${String(count).padStart(9, '0')}`
    const askedAt = Date.now()
    const checkout: Checkout = { expiresAt: askedAt + checkoutLifeMs }
    checkouts.set(id, checkout)
    emit({ pre_checkout_query: { id, from: user, ...amountJson(offer) } as NonNullable<Update['pre_checkout_query']> })
    const timeoutText = () => `the bot did not answer the pre-checkout query within ${checkoutLifeMs} ms`
    const answer = await answered.until(() => checkout.answer, checkoutLifeMs, timeoutText)
    return { ...answer, id, answeredMs: Date.now() - askedAt }
  }

  async function pay(target: MessageRef | string, from: From = {}, { isLost = false } = {}): Promise<Paid> {
    const key = typeof target === 'string' ? target : `${target.chatId}:${target.messageId}`
    const invoice = invoices.get(key)
    if (!invoice) throw new Error(`no invoice at ${key}`)
    const chatId = typeof target === 'string' ? undefined : target.chatId
    const { user, room } = world.arrive({ chatId, ...from })

    const { ok, error, id, answeredMs } = await askCheckout(invoice, { chatId, ...from })
    if (!ok) throw new Error(error)

    const chargeId = `stx${id}`
    const payment = { ...invoice, userId: user.id, chatId: room.chat.id, date: unixNow(), refunded: false }
    payments.set(chargeId, payment)
    transactions.push(paymentJson(chargeId, payment))
    const extra = { successful_payment: paidJson(invoice, chargeId) }
    const stored = world.add(room, { from: user, extra })
    const message = toMessage(stored)
    const body = { message: message as NonNullable<Update['message']> }
    const update = isLost ? { update_id: 0, ...body } : emit(body)
    return { chatId: room.chat.id, messageId: stored.id, message, update, chargeId, stars: invoice.stars, answeredMs }
  }

  function withdraw(times: number): void {
    for (let at = 0; at < times; at++) {
      count += 1
      transactions.push({ id: `withdrawal${count}`, amount: 1, date: unixNow(), receiver: { type: 'fragment' } })
    }
  }

  return { methods, pay, askCheckout, refund, withdraw }
}

function readInvoice(params: Json): Invoice {
  const prices = (listOf(params, 'prices') ?? []) as { amount: number }[]
  const payload = textOf(params, 'payload')
  if (textOf(params, 'currency') !== 'XTR' || textOf(params, 'provider_token'))
    throw badRequest('PAYMENT_PROVIDER_INVALID')
  if (prices.length !== 1 || !(prices[0]!.amount > 0)) throw badRequest('STARS_INVOICE_INVALID')
  if (payload === '' || Buffer.byteLength(payload) > MAX_PAYLOAD_BYTES) throw badRequest('INVOICE_PAYLOAD_INVALID')
  const [title, description] = [textOf(params, 'title'), textOf(params, 'description')]
  if (title.length < 1 || title.length > 32) throw badRequest('INVOICE_TITLE_INVALID')
  if (description.length < 1 || description.length > 255) throw badRequest('INVOICE_DESCRIPTION_INVALID')
  const start = textOf(params, 'start_parameter')
  if (!/^[\w-]{0,64}$/.test(start)) throw badRequest('START_PARAM_INVALID')
  const period = integerOf(params, 'subscription_period')
  return { title, payload, stars: prices[0]!.amount, period }
}

function invoiceJson({ title, stars }: Invoice, params: Json): Json {
  const [description, start] = [textOf(params, 'description'), textOf(params, 'start_parameter')]
  return { title, description, start_parameter: start, currency: 'XTR', total_amount: stars }
}

function amountJson({ payload, stars, currency = 'XTR' }: Offer) {
  return { currency, total_amount: stars, invoice_payload: payload }
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

const userJson = ({ userId }: Payment): Json => ({ id: userId, is_bot: false, first_name: 'Ada' })

function paymentJson(charge: string, payment: Payment): Json {
  const { stars, payload, date } = payment
  const partner = {
    type: 'user',
    transaction_type: 'invoice_payment',
    user: userJson(payment),
    invoice_payload: payload,
  }
  return { id: charge, amount: stars, date, source: partner }
}
