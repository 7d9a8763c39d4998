/**
 * Compares Discord's list of entitlements with what is recorded, at the start and every hour. What was missed while the bot was away goes
 * into the inbox, as its event would have.
 */
import type { APIEntitlement } from 'discord-api-types/v10'
import { type PaymentState, statesOf } from '../../../core/billing/shop/purchases.ts'
import { pricedSkus, readSkus, type Sku } from '../../../core/billing/shop/skus.ts'
import type { Database } from '../../../db/database.ts'
import { readFact, saveFact } from '../../../db/facts.ts'
import type { Log } from '../../../log.ts'
import { keepRounds, type Rounds } from '../../buying/rounds.ts'
import type { Received } from '../../inbox-store.ts'
import { idAt } from '../address.ts'
import { reasonOf } from '../rest/api.ts'
import { actOf, type StoredItem } from './events.ts'
import { hasBuyer, isPriced, isRefundDue, isUnannounced, purchaseOf } from './settle.ts'
import { pageSize, type Shop } from './shop.ts'

const maxPages = 50
const maxItemPages = 1_000
/** Of subscriptions that are older than `readAgainMs`, in one round. */
const maxOldPages = 10
const dayMs = 86_400_000
/** Entitlements that are read again, by their age: refunds and disputes of cards come for up to four months. */
const readAgainMs = 120 * dayMs
/** Shorter than any period of a subscription. */
const periodMs = 6 * dayMs

export interface ComparingOptions {
  shop: Shop
  database: Database
  log: Log
  store(acts: readonly Received[]): Promise<void>
}

export function keepComparing(options: ComparingOptions): Rounds {
  return keepRounds({
    ...options,
    name: 'discord purchases',
    round: (mayGoOn) => compare(options, mayGoOn),
    reasonOf,
    failed: 'could not compare purchases with Discord; retrying in an hour',
  })
}

const fact = 'discord purchases read'

/** Resolves to false if the list has more pages. */
async function compare(options: ComparingOptions, mayGoOn: () => boolean): Promise<boolean> {
  const { shop, database } = options
  const reason = `round ${new Date().toISOString()}`
  await shop.readItems()
  const start = (await readFact(database, fact)) ?? '0'
  // the entitlement itself may have been missed together with its end or its removal
  const reading = { after: start, exclude_deleted: 'false' }
  const read = await storeAll(options, { query: reading, reason, mayGoOn, noteAfter: (after) => save(after) })
  if (!read) return !mayGoOn()
  const again = idAt(Date.now() - readAgainMs)
  await save(BigInt(read) < BigInt(again) ? read : again)
  const subscribed = (await pricedSkus({ database })).filter(({ kind }) => kind === 'subscription')
  if (subscribed.length === 0) return true
  const query = { after: '0', exclude_ended: 'true', sku_ids: subscribed.map(({ id }) => id).join(',') }
  const isRead = (await storeAll(options, { query, reason, mayGoOn })) !== undefined
  await compareOld(options, { query: { sku_ids: query.sku_ids }, reason, mayGoOn, until: again })
  return isRead || !mayGoOn()

  function save(after: string): Promise<void> {
    return saveFact(database, fact, after)
  }
}

const oldFact = 'discord subscriptions read'

/** Entitlements of subscriptions that began long ago, removed ones included: some pages a round, and after the last page from the start. */
async function compareOld(
  options: ComparingOptions,
  reading: Omit<Reading, 'query'> & { query: Query },
): Promise<void> {
  const { database } = options
  const after = (await readFact(database, oldFact)) ?? '0'
  const query = { ...reading.query, exclude_deleted: 'false', after }
  const noteAfter = (last: string) => saveFact(database, oldFact, last)
  const isRead = await storeAll(options, { ...reading, query, noteAfter, pages: maxOldPages })
  if (isRead !== undefined) await saveFact(database, oldFact, '0')
}

/** Credits were set for an item: all purchases of it are looked at. */
export async function compareItem(options: ComparingOptions, { sku, reason }: StoredItem): Promise<void> {
  await options.shop.readItems()
  const query = { after: '0', sku_ids: sku }
  await storeAll(options, { query, reason, mayGoOn: () => true, pages: maxItemPages })
}

type Query = Readonly<Record<string, string>>

interface Reading {
  query: Query & { after: string }
  /** Part of the keys of the acts. */
  reason: string
  mayGoOn(): boolean
  noteAfter?(after: string): Promise<void>
  pages?: number
  /** Later entitlements are not read. */
  until?: string
}

/** Resolves to the id of the last entitlement. undefined: there are more pages. */
async function storeAll(options: ComparingOptions, reading: Reading): Promise<string | undefined> {
  const { query, reason, mayGoOn, noteAfter, pages = maxPages, until } = reading
  let { after } = query
  for (let page = 0; page < pages && mayGoOn(); page++) {
    const listed = await options.shop.entitlements({ ...query, after })
    await storeDue(options, listed, reason)
    after = listed.reduce((last, { id }) => (BigInt(id) > BigInt(last) ? id : last), after)
    if (listed.length < pageSize || (until !== undefined && BigInt(after) >= BigInt(until))) return after
    await noteAfter?.(after)
  }
  return undefined
}

async function storeDue(options: ComparingOptions, listed: readonly APIEntitlement[], reason: string): Promise<void> {
  const { database, log, store } = options
  const [payments, items] = await Promise.all([statesOf({ database }, listed.map(purchaseOf)), readSkus({ database })])
  const due: APIEntitlement[] = []
  for (const entitlement of listed) {
    const own = payments.filter(({ purchase }) => purchase === purchaseOf(entitlement))
    const item = items.find(({ id }) => id === entitlement.sku_id)
    if (!isDue(entitlement, own, item)) continue
    if (!entitlement.deleted && !(await hasBuyer(options, entitlement))) continue
    if (own.length > 0 || (await isPriced(options, entitlement))) due.push(entitlement)
  }
  if (due.length === 0) return
  log.info({ count: due.length }, 'looking at purchases that Discord lists')
  await store(due.map((entitlement) => actOf(storedOf(entitlement), reason)))
}

const storedOf = (entitlement: APIEntitlement) => ({
  kind: 'entitlement' as const,
  id: entitlement.id,
  ...(entitlement.deleted && { deleted: entitlement }),
})

function isDue(entitlement: APIEntitlement, payments: readonly PaymentState[], item: Sku | undefined): boolean {
  if (entitlement.deleted) return isRefundDue(payments)
  const [latest] = payments
  if (!latest) return !entitlement.consumed
  if (isUnannounced(latest)) return true
  if (item?.kind === 'subscription') return latest.paidAt.getTime() < Date.now() - periodMs
  return item?.kind !== 'durable' && !entitlement.consumed
}
