/**
 * Bought credits. An order is what a person wants to buy, a payment is one charge of the platform for it. The platform may report a
 * charge and its refund several times, to several processes: each takes effect once.
 */
import { and, eq, isNull, sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import type { Db } from '../../db/database.ts'
import { orders, payments } from '../../db/schema/billing.ts'
import { ledger } from '../../db/schema/ledger.ts'
import { audited } from '../accounts/audit.ts'
import { lockAccount } from '../accounts/lock.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { callHash, isId } from '../ids.ts'
import { type Granted, grant, maxGrant, takeBack } from './ledger.ts'

export interface NewOrder {
  userId: string
  /** 'telegram', 'discord', … */
  platform: string
  /** The platform's name of what is bought. */
  item: string
  credits: number
  /** In the smallest unit of `currency`. */
  amount: number
  currency: string
}

/** Resolves to its id, the payload of the platform's invoice. Throws AppError bad_amount. */
export async function openOrder(core: Core, order: NewOrder): Promise<string> {
  const { credits } = order
  if (!Number.isInteger(credits) || credits < 1 || credits > maxGrant) {
    throw new AppError('bad_amount', { amount: credits, limit: maxGrant })
  }
  const id = uuidv7()
  await core.database.db.insert(orders).values({ id, ...order })
  return id
}

/** '<platform>:<the platform's id of the charge>'. */
export type Charge = `${string}:${string}`

/** Whether a text names a charge, and not a request. */
export const isCharge = (written: string): written is Charge => /^[a-z]+:\S+$/.test(written)

export interface Paid extends Granted {
  userId: string
  credits: number
}

export interface PaidOrder extends Paid {
  /** Credits that paid off debt. */
  paidOff: number
  /** The charge has been refunded since. */
  refunded: boolean
}

/**
 * Grants what the order promises, once for each charge. A second charge for one order counts as another order of the same item,
 * because the person has paid for it. Throws AppError unknown_order,
 * account_closed.
 */
export async function payOrder(
  core: Core,
  { charge, orderId }: { charge: Charge; orderId: string },
): Promise<PaidOrder> {
  if (!isId(orderId)) throw new AppError('unknown_order')
  return core.database.db.transaction(async (tx) => {
    const [ordered] = await tx.select({ userId: orders.userId }).from(orders).where(eq(orders.id, orderId))
    if (!ordered) throw new AppError('unknown_order')
    const account = await lockAccount(core, tx, ordered.userId)
    // charges for one order wait for each other. The account is locked before the order, as when two accounts are joined
    const [order] = await tx.select().from(orders).where(eq(orders.id, orderId)).for('update')
    if (!order) throw new AppError('unknown_order')
    const paid = { userId: account.id, credits: order.credits }
    const [earlier] = await tx
      .select({ refundedAt: payments.refundedAt })
      .from(payments)
      .where(eq(payments.charge, charge))
    if (earlier) {
      const { balance, debt } = account
      const refunded = earlier.refundedAt !== null
      return { ...paid, fresh: false, balance, debt, paidOff: await debtPaidBy(tx, charge), refunded }
    }
    if (account.closedAt !== null) throw new AppError('account_closed')
    const id = order.state === 'open' ? order.id : await repeated(tx, order)
    await tx.insert(payments).values({ charge, orderId: id })
    await tx.update(orders).set({ state: 'paid' }).where(eq(orders.id, id))
    return { ...(await grantOrder(core, tx, { charge, ...paid })), refunded: false }
  })
}

/** Part of the transaction that records the payment. */
export async function grantOrder(
  core: Core,
  tx: Db,
  { charge, userId, credits }: { charge: Charge; userId: string; credits: number },
): Promise<Omit<PaidOrder, 'refunded'>> {
  const granted = await grant(core, { userId, amount: credits, source: 'order', key: grantKey(charge) }, tx)
  return { userId, credits, ...granted, paidOff: await debtPaidBy(tx, charge) }
}

const grantKey = (charge: Charge) => `order:${charge}`

export async function debtPaidBy(tx: Db, charge: Charge): Promise<number> {
  const [entry] = await tx
    .select({ debt: ledger.debt })
    .from(ledger)
    .where(eq(ledger.key, grantKey(charge)))
  return entry ? Math.abs(entry.debt) : 0
}

/** Opens another order of the same item. */
async function repeated(tx: Db, { userId, platform, item, credits, amount, currency }: NewOrder): Promise<string> {
  const id = uuidv7()
  await tx.insert(orders).values({ id, userId, platform, item, credits, amount, currency })
  return id
}

interface PaymentRefund {
  charge: Charge
  /** The administrator who refunds it, and the key of the call. Absent: the platform refunded it. */
  by?: { actor: string; key: string }
}

/**
 * Takes back exactly the credits that a refunded charge gave, once. Those that are spent already become debt. Throws
 * AppError unknown_payment.
 */
export async function refundPayment(core: Core, { charge, by }: PaymentRefund): Promise<Paid> {
  return core.database.db.transaction(async (tx) => {
    const [order] = await tx
      .select({ id: orders.id, userId: orders.userId, credits: orders.credits })
      .from(orders)
      .innerJoin(payments, eq(payments.orderId, orders.id))
      .where(eq(payments.charge, charge))
    if (!order) throw new AppError('unknown_payment', { charge })
    const account = await lockAccount(core, tx, order.userId)
    const before = { balance: account.balance, debt: account.debt }
    const paid = { userId: account.id, credits: order.credits }
    const refunded = await tx
      .update(payments)
      .set({ refundedAt: sql`now()` })
      .where(and(eq(payments.charge, charge), isNull(payments.refundedAt)))
      .returning({ charge: payments.charge })
    if (refunded.length === 0) {
      // the account was deleted before the payment arrived
      const [given] = await tx
        .select({ id: ledger.id })
        .from(ledger)
        .where(eq(ledger.key, grantKey(charge)))
      if (!given) throw new AppError('unknown_payment', { charge })
      await noteRefund(core, { charge, by, before, after: before }, tx)
      return { ...paid, fresh: false, ...before }
    }
    await tx.update(orders).set({ state: 'refunded' }).where(eq(orders.id, order.id))
    const key = `refund:${charge}`
    const taken = await takeBack(
      core,
      { userId: account.id, amount: order.credits, source: 'order', actor: by?.actor, key },
      tx,
    )
    await noteRefund(core, { charge, by, before, after: { balance: taken.balance, debt: taken.debt } }, tx)
    return { ...paid, ...taken }
  })
}

interface NotedRefund extends PaymentRefund {
  /** Absent, both: the payment gave no credits. */
  before?: { balance: number; debt: number }
  after?: { balance: number; debt: number }
}

/** Once for each charge: the platform may report a refund before the call of the administrator who asked for it is over. */
export async function noteRefund(core: Core, { charge, by, before, after }: NotedRefund, tx?: Db): Promise<void> {
  if (!by) return
  const act = { actor: by.actor, action: 'refund', target: charge, key: `refund:${callHash(core, by.key)}` }
  const from = sql`where not exists (select from audit_log where action = 'refund' and target = ${charge})`
  await core.database.rows(audited(act, { before, after, from }), tx)
}
