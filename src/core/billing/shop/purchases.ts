/**
 * Purchases in the shop of a platform, which opens no order here first. A purchase has one charge, or one for each period of a
 * subscription. Each charge makes one order, one payment and one grant, however many reports arrive.
 */
import { and, desc, eq, gt, inArray } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import { orders, payments, skus } from '../../../db/schema/billing.ts'
import { accountOf } from '../../accounts/accounts.ts'
import { lockAccount } from '../../accounts/lock.ts'
import type { Core } from '../../core.ts'
import { AppError } from '../../errors.ts'
import { splitName } from '../../ids.ts'
import type { Identity } from '../../ports/chat.ts'
import { type Charge, debtPaidBy, grantOrder, type Paid, type PaidOrder, refundPayment } from '../orders.ts'

export interface Purchase {
  purchase: Charge
  charge: Charge
  /** The platform's name of what was bought. */
  item: string
  buyer: Identity
}

/** ISO 4217 for payments without a currency: the platform does not say what the person has paid. */
const unknownCurrency = 'XXX'

/** undefined: no credits are set for the item, and nothing was recorded. Throws AppError account_closed. */
export async function payPurchase(
  core: Core,
  { purchase, charge, item, buyer }: Purchase,
): Promise<(PaidOrder & Announced) | undefined> {
  const userId = await accountOf(core, buyer)
  return core.database.db.transaction(async (tx) => {
    const account = await lockAccount(core, tx, userId)
    const [earlier] = await tx
      .select({ refundedAt: payments.refundedAt, announced: payments.announced, credits: orders.credits })
      .from(payments)
      .innerJoin(orders, eq(orders.id, payments.orderId))
      .where(eq(payments.charge, charge))
    if (earlier) {
      const { balance, debt } = account
      const { credits, announced } = earlier
      const paidOff = await debtPaidBy(tx, charge)
      const refunded = earlier.refundedAt !== null
      return { userId: account.id, credits, fresh: false, balance, debt, paidOff, refunded, announced }
    }
    // the person's next account gets them, once the purchase is looked at again
    if (account.closedAt !== null) throw new AppError('account_closed')
    const [priced] = await tx
      .select({ credits: skus.credits })
      .from(skus)
      .where(and(eq(skus.id, item), gt(skus.credits, 0)))
    if (!priced) return undefined
    const { credits } = priced
    const id = uuidv7()
    const { platform } = splitName(charge)
    const order = { id, userId: account.id, platform, item, credits, amount: 0, currency: unknownCurrency }
    await tx.insert(orders).values({ ...order, state: 'paid' })
    await tx.insert(payments).values({ charge, purchase, orderId: id })
    return {
      ...(await grantOrder(core, tx, { charge, userId: account.id, credits })),
      refunded: false,
      announced: null,
    }
  })
}

interface Announced {
  announced: PaymentState['announced']
}

/**
 * Takes back what the latest charge of a purchase gave, once: what a person has paid for earlier periods of a subscription is used.
 * undefined: the purchase gave nothing.
 */
export async function refundPurchase(
  core: Core,
  purchase: Charge,
): Promise<(Paid & Announced & { charge: Charge }) | undefined> {
  const [latest] = await statesOf(core, [purchase])
  if (!latest) return undefined
  return {
    ...(await refundPayment(core, { charge: latest.charge })),
    charge: latest.charge,
    announced: latest.announced,
  }
}

export async function noteAnnounced(
  { database }: Pick<Core, 'database'>,
  charge: Charge,
  announced: 'paid' | 'refunded',
): Promise<void> {
  await database.db.update(payments).set({ announced }).where(eq(payments.charge, charge))
}

export interface PaymentState {
  charge: Charge
  purchase: string | null
  paidAt: Date
  refundedAt: Date | null
  announced: 'paid' | 'refunded' | null
}

/** The charges of these purchases that are recorded, the latest first. */
export async function statesOf(
  { database }: Pick<Core, 'database'>,
  purchases: readonly Charge[],
): Promise<PaymentState[]> {
  if (purchases.length === 0) return []
  const rows = await database.db
    .select({
      charge: payments.charge,
      purchase: payments.purchase,
      paidAt: payments.paidAt,
      refundedAt: payments.refundedAt,
      announced: payments.announced,
    })
    .from(payments)
    .where(inArray(payments.purchase, [...purchases]))
    .orderBy(desc(payments.paidAt), desc(payments.charge))
  return rows as PaymentState[]
}
