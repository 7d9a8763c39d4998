/** What administrators change about the credits of an account: with an entry, and a row in the audit log. */
import { sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { generations } from '../../db/schema/generations.ts'
import { audited } from '../accounts/audit.ts'
import { lockAccount } from '../accounts/lock.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { callHash } from '../ids.ts'
import { type Granted, grant, maxGrant } from './ledger.ts'

export interface Adjustment {
  userId: string
  /** set: makes the amount the balance. If that is more than before, the debt is paid off as well. */
  how: 'give' | 'take' | 'set'
  amount: number
  reason: string
  /** The identity of the administrator. */
  actor: string
  /** Of the call: the same call again changes nothing. */
  key: string
}

export interface Adjusted extends Granted {
  /** What the entry is worth; 0 if there was nothing to change. */
  amount: number
}

/** Throws AppError bad_amount, no_credits. */
export async function adjust(core: Core, { userId, how, amount, reason, actor, key }: Adjustment): Promise<Adjusted> {
  const isZero = how === 'set' && amount === 0
  if (!isZero && (!Number.isInteger(amount) || amount < 1 || amount > maxGrant)) {
    throw new AppError('bad_amount', { amount, limit: maxGrant })
  }
  return core.database.db.transaction(async (tx) => {
    const { id, balance, debt } = await lockAccount(core, tx, userId)
    const worth = how === 'give' ? amount : how === 'take' ? -amount : changeTo(amount, { balance, debt })
    if (worth === 0) return { amount: 0, fresh: false, balance, debt }
    const given = {
      userId: id,
      amount: worth,
      source: 'admin',
      reason,
      actor,
      key: `credits:${callHash(core, key)}`,
    } as const
    const granted = await grant(core, given, tx)
    const act = { actor, action: `credits ${how}`, target: id, key: given.key }
    const after = { balance: granted.balance, debt: granted.debt, reason: reason || null }
    if (granted.fresh) await core.database.rows(audited(act, { before: { balance, debt }, after }), tx)
    return { ...granted, amount: granted.fresh ? worth : 0 }
  })
}

/** A grant pays off the debt before it adds to the balance. */
function changeTo(wanted: number, { balance, debt }: { balance: number; debt: number }): number {
  return wanted > balance ? wanted - balance + debt : wanted - balance
}

interface RequestRefund {
  /** Of the generation. */
  id: string
  actor: string
  /** Of the call. */
  key: string
}

export interface Refunded extends Granted {
  userId: string
  credits: number
}

const columns = columnsOf(
  {
    state: generations.state,
    payerId: generations.payerId,
    charged: typed<number>(
      sql`(select coalesce(-sum(amount), 0)::int from ledger where generation_id = generations.id)`,
    ),
  },
  '',
)

/** Gives back what a delivered request cost, once. Throws AppError unknown_request, not_charged, account_closed. */
export async function refundRequest(core: Core, { id, actor, key }: RequestRefund): Promise<Refunded> {
  return core.database.db.transaction(async (tx) => {
    const [request] = await readRows(
      core.database,
      columns,
      (list) => sql`select ${list} from generations where id = ${id}::uuid`,
      tx,
    )
    if (!request) throw new AppError('unknown_request')
    const { charged } = request
    if (request.state !== 'delivered' || charged === 0) throw new AppError('not_charged')
    const payer = await lockAccount(core, tx, request.payerId)
    if (payer.closedAt !== null) throw new AppError('account_closed')
    const before = { balance: payer.balance, debt: payer.debt }
    const given = { userId: payer.id, amount: charged, source: 'refund', actor, key: `refund:${id}` } as const
    const granted = await grant(core, given, tx)
    const act = { actor, action: 'refund', target: id, key: `refund:${callHash(core, key)}` }
    const after = { balance: granted.balance, debt: granted.debt, credits: charged }
    if (granted.fresh) await core.database.rows(audited(act, { before, after }), tx)
    return { ...granted, userId: payer.id, credits: charged }
  })
}
