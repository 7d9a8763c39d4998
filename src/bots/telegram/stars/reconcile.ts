/**
 * Compares Telegram's list of payments with ours, at the start and every hour. What was missed goes into the inbox as the update that
 * would have reported it. One process at a time does this, and all of them remember how far the list was read.
 */
import type { Api } from 'grammy'
import { type Listed, missedPayments, missedRefunds } from '../../../core/billing/payments.ts'
import type { Database } from '../../../db/database.ts'
import { readFact, saveFact } from '../../../db/facts.ts'
import type { Json } from '../../../db/json.ts'
import type { Log } from '../../../log.ts'
import { keepRounds, type Rounds } from '../../buying/rounds.ts'
import { type Received, storeActs } from '../../inbox-store.ts'
import { asSignal, reasonOf } from '../bot-api.ts'
import { nameOfReport, updateFor } from '../incoming/payments.ts'
import { type ListedPayment, paymentsIn } from './transactions.ts'

/** Telegram's limit. */
const pageSize = 100
const maxPages = 50
/** Transactions that are read again: what was missed may still have been on its way to the inbox, or of an unknown order. */
const readAgain = 100

interface ReconcileOptions {
  api: Api
  database: Database
  log: Log
  /** Of the inbox. */
  name: string
}

export function keepReconciling(options: ReconcileOptions): Rounds {
  return keepRounds({
    ...options,
    name: `${options.name} payments`,
    round: (mayGoOn, signal) => readOn(options, mayGoOn, signal),
    reasonOf,
    failed: 'could not compare payments with Telegram; retrying in an hour',
  })
}

/** Resolves to false if the list has more pages. */
async function readOn(options: ReconcileOptions, mayGoOn: () => boolean, signal: AbortSignal): Promise<boolean> {
  const { api, database, name } = options
  const fact = `${name} payments read`
  const read = Number((await readFact(database, fact)) ?? 0)
  let offset = Math.max(0, read - readAgain)
  for (let page = 0; page < maxPages && mayGoOn(); page++) {
    const { transactions } = await api.getStarTransactions({ offset, limit: pageSize }, asSignal(signal))
    if (transactions.length === 0 && offset > 0 && page === 0) {
      // the list is shorter than it was
      offset = 0
      continue
    }
    await storeMissed(options, paymentsIn(transactions))
    offset += transactions.length
    await saveFact(database, fact, String(offset))
    if (transactions.length < pageSize) return true
  }
  return !mayGoOn()
}

/** Stores missed reports in the inbox. An act that is stored already is not stored again, so a person gets each message once. */
async function storeMissed({ database, log, name }: ReconcileOptions, listed: readonly ListedPayment[]): Promise<void> {
  const refunds = listed.filter(({ isRefund }) => isRefund)
  const refunded = new Set(refunds.map(({ charge }) => charge))
  const orders = new Map(listed.flatMap(({ charge, order }) => (order === undefined ? [] : [[charge, order]])))
  const ours = (each: ListedPayment): Listed => ({
    charge: `telegram:${each.charge}`,
    orderId: orders.get(each.charge),
  })
  // handling a refund records its payment first, so that payment needs no report of its own
  const payments = listed.filter(({ charge, isRefund }) => !isRefund && !refunded.has(charge))
  const [paid, back] = await Promise.all([
    missedPayments({ database }, payments.map(ours)),
    missedRefunds({ database }, refunds.map(ours)),
  ])
  const missed = new Map([...paid, ...back].map(({ charge, orderId }) => [charge, orderId]))
  const acts = [...payments, ...refunds].flatMap((each): Received[] => {
    const order = missed.get(`telegram:${each.charge}`)
    if (order === undefined) return []
    const reported = { charge: each.charge, order, isRefund: each.isRefund }
    const { name: report, lane } = nameOfReport(reported)
    return [{ key: `${name}:${report}`, lane, body: updateFor(reported, each.payer, each.amount) as unknown as Json }]
  })
  if (acts.length === 0) return
  log.info({ count: acts.length }, 'Telegram lists payments or refunds that are not recorded; handling them now')
  await storeActs(database, name, acts)
}
