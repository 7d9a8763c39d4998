/** Payments before and after they are made: whether an invoice may be paid, what was missed, and what a person has paid. */
import { type SQL, sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { orders, payments } from '../../db/schema/billing.ts'
import { banColumns, banError } from '../accounts/bans.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { isId, splitName } from '../ids.ts'
import type { Charge } from './orders.ts'
import { allPackages } from './packages.ts'

export interface Checkout {
  orderId: string
  /** The identity that is about to pay. */
  payer: string
  amount: number
  currency: string
}

const checkoutColumns = columnsOf({
  ...banColumns,
  banned: typed<boolean>(banColumns.banned),
  closed: typed<boolean>(sql`users.closed_at is not null`),
  amount: orders.amount,
  currency: orders.currency,
  isOwn: typed<boolean>(sql`is_own`),
  isOffered: typed<boolean>(sql`is_offered`),
})

/**
 * Why an invoice must not be paid. undefined: it may. An order that is paid already may be paid again, and counts as another order. An
 * invoice from before a package changed is refused, so that people get what they see in `/buy`.
 */
export async function checkoutProblem(
  { database }: Pick<Core, 'database'>,
  { orderId, payer, amount, currency }: Checkout,
): Promise<AppError | undefined> {
  if (!isId(orderId)) return new AppError('unknown_order')
  const [order] = await readRows(
    database,
    checkoutColumns,
    (list) => sql`
      select ${list} from (
        select o.*,
          exists (select from ${allPackages} p
            where p.id = o.item and p.active and p.credits = o.credits and p.stars = o.amount) as is_offered,
          coalesce(owner.joined_into, owner.id) as heir
        from orders o join users owner on owner.id = o.user_id where o.id = ${orderId}::uuid and o.platform = 'telegram') orders
      join users on users.id = orders.heir
      cross join lateral (
        select exists (select from identities i where i.id = ${payer} and i.user_id = users.id) as is_own) payer`,
  )
  if (!order) return new AppError('unknown_order')
  if (order.closed) return new AppError('account_closed')
  if (!order.isOwn) return new AppError('invoice_of_other')
  if (order.banned) return banError(order)
  const isSame = order.amount === amount && order.currency === currency
  return isSame && order.isOffered ? undefined : new AppError('package_over')
}

/** A charge or a refund that the platform lists. */
export interface Listed {
  charge: Charge
  /** Absent: the platform does not say. */
  orderId: string | undefined
}

const listedColumns = columnsOf({ charge: payments.charge, orderId: payments.orderId }, 'missed')

/** Of the charges that a platform lists, those for our orders that have no effect here yet. */
export const missedPayments = (core: Pick<Core, 'database'>, listed: readonly Listed[]) =>
  missed(core, listed, sql`p.charge is null and o.id is not null`)

/** As `missedPayments`, of refunds. The payment itself may have been missed, too. */
export const missedRefunds = (core: Pick<Core, 'database'>, listed: readonly Listed[]) =>
  missed(core, listed, sql`p.refunded_at is null and (p.charge is not null or o.id is not null)`)

function missed({ database }: Pick<Core, 'database'>, listed: readonly Listed[], isMissed: SQL) {
  const rows = listed.map(({ charge, orderId }) => ({ charge, order_id: isId(orderId ?? '') ? orderId : null }))
  return readRows(
    database,
    listedColumns,
    (list) => sql`
      select ${list} from (
        select l.charge, coalesce(p.order_id, o.id) as order_id
        from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as l(charge text, order_id uuid)
        left join payments p on p.charge = l.charge
        left join orders o on o.id = l.order_id
        where ${isMissed}) missed`,
  )
}

/** The platform has given back a payment for which nothing could be granted, so nothing has to be taken back either. */
export async function noteReturned({ database }: Pick<Core, 'database'>, { charge, orderId }: Returned): Promise<void> {
  await database.rows(sql`
    insert into payments (charge, order_id, refunded_at) values (${charge}, ${orderId}::uuid, now()) on conflict do nothing`)
}

interface Returned {
  charge: Charge
  orderId: string
}

const paidColumns = columnsOf({
  charge: payments.charge,
  credits: orders.credits,
  amount: orders.amount,
  currency: orders.currency,
  paidAt: payments.paidAt,
  refundedAt: payments.refundedAt,
})

export type PastPayment = NonNullable<(typeof paidColumns)['row']>

/** Newest first. */
export const lastPayments = ({ database }: Core, userId: string, limit: number): Promise<PastPayment[]> =>
  readRows(
    database,
    paidColumns,
    (list) => sql`
      select ${list} from orders join payments on payments.order_id = orders.id
      where orders.user_id = ${userId}::uuid order by payments.paid_at desc limit ${limit}`,
  )

const payerColumns = columnsOf({ id: typed<string>(sql`i.id`) })

/** The identities on a platform of the account that has paid a charge. Empty: the charge is unknown, or the account deleted. */
export async function payersOf({ database }: Pick<Core, 'database'>, charge: Charge): Promise<string[]> {
  const { platform } = splitName(charge)
  const found = await readRows(
    database,
    payerColumns,
    (list) => sql`
      select ${list} from payments
      join orders on orders.id = payments.order_id
      join users on users.id = orders.user_id
      left join identities i on i.user_id = coalesce(users.joined_into, users.id) and starts_with(i.id, ${`${platform}:`})
      where payments.charge = ${charge} order by i.created_at`,
  )
  return found.flatMap(({ id }) => id ?? [])
}
