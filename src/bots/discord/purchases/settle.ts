/**
 * Makes what is recorded about an entitlement agree with Discord: credits for what was bought, consumption of what gave credits, and
 * credits back for what is gone. It may stop after any step, and starts with what Discord says now when it is done again.
 */
import { type APIEntitlement, type APISubscription, Routes, SubscriptionStatus } from 'discord-api-types/v10'
import type { Charge } from '../../../core/billing/orders.ts'
import { type PaymentState, statesOf } from '../../../core/billing/shop/purchases.ts'
import { noteUnpriced, noteWithoutBuyer, pricedSkus, readSkus, type Sku } from '../../../core/billing/shop/skus.ts'
import { AppError } from '../../../core/errors.ts'
import type { Call } from '../../../core/ports/chat.ts'
import type { Purchase } from '../../../core/ports/payments.ts'
import type { Database } from '../../../db/database.ts'
import type { Log } from '../../../log.ts'
import { addressOf, createdAtMs } from '../address.ts'
import { identityOf } from '../calls.ts'
import type { Api } from '../rest/api.ts'
import type { StoredEntitlement } from './events.ts'
import type { Shop } from './shop.ts'

export interface SettleOptions {
  api: Api
  shop: Shop
  database: Database
  log: Log
}

type Handle = (call: Call) => Promise<void>

const dayMs = 86_400_000
const visibleWithinMs = 60_000

/** Rejects if the inbox has to retry it. */
export async function settle(options: SettleOptions, stored: StoredEntitlement, handle: Handle): Promise<void> {
  try {
    await settleNow(options, stored, handle)
  } catch (error) {
    throw error instanceof AppError ? error : options.api.toAppError(error)
  }
}

async function settleNow(options: SettleOptions, { id, deleted }: StoredEntitlement, handle: Handle): Promise<void> {
  const { shop, database, log } = options
  const entitlement = deleted ?? (await shop.entitlement(id))
  if (!entitlement) {
    // Discord may announce it a little before it lists it
    if (Date.now() - createdAtMs(id) < visibleWithinMs) throw new AppError('chat_unavailable')
    return log.info({ entitlement: id }, 'Discord no longer has this entitlement; nothing to do')
  }
  const payments = await statesOf({ database }, [purchaseOf(entitlement)])
  if (deleted || entitlement.deleted) {
    if (isRefundDue(payments)) await handle(await callFor(options, entitlement, { charge: id, isRefund: true }))
    return
  }
  if (!(await hasBuyer(options, entitlement))) return
  if (payments.length === 0 && entitlement.consumed) return
  if (payments.length === 0 && !(await isPriced(options, entitlement))) return
  const first = payments.find(({ charge }) => charge === purchaseOf(entitlement))
  if (isUnannounced(first)) await handle(await callFor(options, entitlement, { charge: id, isRefund: false }))
  const kind = await kindOf(options, entitlement.sku_id)
  if (kind === 'subscription') return renew(options, { entitlement, payments }, handle)
  if (kind !== 'durable' && !entitlement.consumed) await consume(options, entitlement)
}

export const purchaseOf = ({ id }: Pick<APIEntitlement, 'id'>): Charge => `discord:${id}`

/** Earlier periods of a subscription stay paid when the latest one is refunded. */
export const isRefundDue = ([latest]: readonly PaymentState[]): boolean =>
  latest !== undefined && (latest.refundedAt === null || latest.announced !== 'refunded')

/** The payment is not recorded, or its buyer does not know of it. */
export const isUnannounced = (payment: PaymentState | undefined): boolean =>
  payment === undefined || (payment.announced === null && payment.refundedAt === null)

/** If not, the cure is logged once for each SKU. */
export async function isPriced(
  { database, log }: Pick<SettleOptions, 'database' | 'log'>,
  { id, sku_id: sku }: APIEntitlement,
): Promise<boolean> {
  const isSet = (await pricedSkus({ database })).some((each) => each.id === sku)
  if (isSet || !(await noteUnpriced({ database }, sku))) return isSet
  log.warn(
    { entitlement: id, sku },
    `granted nothing for a purchase on Discord, because its SKU has no credits: send /credits sku ${sku} <credits>`,
  )
  return false
}

/** If not, what to do is logged once for each entitlement. */
export async function hasBuyer(
  { database, log }: Pick<SettleOptions, 'database' | 'log'>,
  { id, sku_id: sku, user_id: user, guild_id: guild, consumed = false }: APIEntitlement,
): Promise<boolean> {
  if (user || consumed || !(await noteWithoutBuyer({ database }, id))) return Boolean(user)
  log.warn(
    { entitlement: id, sku, guild },
    'granted nothing for a purchase on Discord that names a server and no person: find the buyer in the developer portal of Discord, and send /credits give @user <credits>',
  )
  return false
}

async function kindOf({ shop, database }: SettleOptions, sku: string): Promise<Sku['kind']> {
  const stored = async () => (await readSkus({ database })).find(({ id }) => id === sku)?.kind ?? null
  const kind = await stored()
  if (kind !== null) return kind
  await shop.readItems()
  return stored()
}

/** Only what gave credits is consumed. Where Discord's answer is lost, the entitlement says what became of it. */
async function consume({ shop, database, log }: SettleOptions, entitlement: APIEntitlement): Promise<void> {
  const { id } = entitlement
  const payments = await statesOf({ database }, [purchaseOf(entitlement)])
  if (payments.length === 0) return
  try {
    await shop.consume(id)
  } catch (error) {
    const now = await shop.entitlement(id)
    if (now && !now.consumed && !now.deleted) {
      log.warn({ entitlement: id }, 'could not consume an entitlement on Discord; retrying')
      throw error
    }
  }
}

interface Subscribed {
  entitlement: APIEntitlement
  payments: readonly PaymentState[]
}

/** The first period has the charge of the entitlement. Later ones keep that entitlement; only the subscription says when they start. */
async function renew(options: SettleOptions, { entitlement, payments }: Subscribed, handle: Handle): Promise<void> {
  const { user_id: user, sku_id: sku, id } = entitlement
  if (!user) return
  const subscriptions = await options.shop.subscriptions(sku, user)
  for (const subscription of subscriptions.filter((each) => isPaid(each, entitlement))) {
    const day = Date.parse(subscription.current_period_start)
    const days = [day, day - dayMs, day + dayMs].map((ms) => new Date(ms).toISOString().slice(0, 10))
    const names = days.map((each): Charge => `${purchaseOf(entitlement)}:${each}`)
    // a period whose start is shown a little different later is the same one
    const earlier = payments.find(({ charge }) => names.includes(charge))
    const charge = earlier?.charge.slice('discord:'.length) ?? `${id}:${days[0]}`
    if (isUnannounced(earlier)) await handle(await callFor(options, entitlement, { charge, isRefund: false }))
  }
}

/** The period that Discord shows was paid, and is not the first one: no subscription is as short as a day. */
function isPaid(subscription: APISubscription, { id, sku_id: sku, ends_at: end }: APIEntitlement): boolean {
  const start = Date.parse(subscription.current_period_start)
  const isRenewal = start > createdAtMs(id) + dayMs && start <= Date.now() && (!end || Date.parse(end) > start)
  // a person may have several subscriptions of one SKU, such as one for each of several servers
  const isOwn = subscription.sku_ids.includes(sku) && subscription.entitlement_ids.includes(id)
  // one that is no longer charged within its period was refunded
  return isRenewal && isOwn && subscription.status !== SubscriptionStatus.Inactive
}

/** The purchase as an act of its buyer, handled like a message from that person. */
async function callFor(
  { api, shop, log }: SettleOptions,
  { id, sku_id: item, user_id: user }: APIEntitlement,
  { charge, isRefund }: Pick<Purchase, 'charge' | 'isRefund'>,
): Promise<Call> {
  if (!user) throw new AppError('unknown_payment', { charge: `discord:${id}` })
  const buyer = await shop.user(user)
  const channelId = await directChannel(api, user).catch((error: unknown) => {
    if (api.toAppError(error).retry) throw error
    log.info({ entitlement: id }, 'the buyer of an entitlement takes no direct messages')
    return user
  })
  const about = `${isRefund ? 'refund' : 'purchase'} ${charge}`
  return {
    key: `discord:${about}`,
    surface: 'discord',
    address: addressOf({ kind: 'channel', channelId, userId: user, about }),
    from: buyer ? identityOf(buyer) : { id: `discord:${user}`, name: user },
    place: { channel: channelId, nsfw: false, manager: false, roles: [] },
    locale: 'en',
    act: { kind: 'purchase', item, purchase: id, charge, isRefund },
    images: [],
    isPrivate: true,
  }
}

const directChannel = async (api: Api, user: string): Promise<string> =>
  (await api.send<{ id: string }>('post', Routes.userChannels(), { body: { recipient_id: user } })).id
