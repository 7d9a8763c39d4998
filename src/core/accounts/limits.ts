/**
 * How many requests an account may have under way, and make in a minute: what its own row says comes before its tier, and that before
 * the settings. Limits are read by the statement that applies them, so that a change counts at once.
 */
import { eq, type SQL, sql } from 'drizzle-orm'
import { users } from '../../db/schema/accounts.ts'
import type { AccountLimits, Core, Rule } from '../core.ts'
import { AppError } from '../errors.ts'
import type { KeyHolder } from './api-keys.ts'
import { banColumns, banError, isBanned } from './bans.ts'

/** The operator's programs serve many people at once. */
export const operatorLimits: AccountLimits = { inFlight: 100, perMinute: 6_000, fixed: true }

const minuteMs = 60_000

/** By the key that a program uses. */
export function limitsFor({ limits }: Core, { keyId }: Pick<KeyHolder, 'keyId'>): AccountLimits {
  return keyId === null ? operatorLimits : limits
}

/** Limits as values, or as columns of a statement. */
type LimitValues = { readonly [Name in 'inFlight' | 'perMinute']: number | SQL } & Pick<AccountLimits, 'fixed'>

/** Of the account, in a statement about `users` under that name. */
export const inFlightLimit = ({ inFlight, fixed }: Pick<LimitValues, 'inFlight' | 'fixed'>): SQL<number> =>
  fixed
    ? sql`${inFlight}::int`
    : sql`coalesce(${users.inFlightLimit}, (select t.in_flight from tiers t where t.name = ${users.tier}), ${inFlight}::int)`

/** Like `inFlightLimit`. */
export const perMinuteLimit = ({ perMinute, fixed }: Pick<LimitValues, 'perMinute' | 'fixed'>): SQL<number> =>
  fixed
    ? sql`${perMinute}::float8`
    : sql`coalesce(${users.perMinuteLimit}, (select t.per_minute from tiers t where t.name = ${users.tier}), ${perMinute}::float8)`

/** Average interval between two requests of the account. A minute's worth of them may come at once (GCRA). */
export const spacing = (limits: LimitValues): SQL => sql`(interval '1 minute' / ${perMinuteLimit(limits)})`

/** How far `users.pace_at` is ahead of now. */
export const debtMs = sql<number>`(extract(epoch from greatest(${users.paceAt}, now()) - now()) * 1000)::float8`

const balanceOf = (payer: string) => sql<number>`(select payer.balance from users payer where payer.id = ${payer})`

/** Refuses a request that the payer cannot pay for, or that the person has no room for. */
export const accountRule: Rule = async (core, { userId, payer, price, ...limits }) => {
  const [user] = await core.database.db
    .select({
      balance: payer === undefined ? users.balance : balanceOf(payer),
      inFlight: users.inFlight,
      closedAt: users.closedAt,
      ...banColumns,
      ...paceColumns(limits),
    })
    .from(users)
    .where(eq(users.id, userId))
  if (!user) return new AppError('unknown_user', { user: userId })
  if (user.closedAt) {
    // another process has closed it since this one cached it
    core.accountIds.clear()
    return new AppError('account_closed')
  }
  if (user.banned) return banError(user)
  if (user.balance < price) return new AppError('no_credits', { price, balance: user.balance })
  if (user.inFlight >= user.inFlightLimit) return new AppError('too_many_in_flight', { limit: user.inFlightLimit })
  return tooFast(user)
}

/** `usual`: the limits of an account without limits of its own. */
export async function limitsOf(core: Core, userId: string, usual: AccountLimits): Promise<AccountLimits> {
  const pace = usual.fixed ? undefined : await paceOf(core, userId, usual)
  return pace ? { inFlight: pace.inFlightLimit, perMinute: pace.perMinute } : usual
}

/** Throws AppError too_fast. */
export async function assertPace(core: Core, userId: string, usual: AccountLimits): Promise<void> {
  const pace = await paceOf(core, userId, usual)
  const error = pace && tooFast(pace)
  if (error) throw error
}

/** How many requests the account may make now, and in a whole minute. */
export interface PaceLeft {
  left: number
  of: number
}

export async function paceLeft(core: Core, userId: string, usual: AccountLimits): Promise<PaceLeft> {
  return leftOf((await paceOf(core, userId, usual)) ?? { debtMs: 0, ...usual })
}

/** Postgres rounds the interval between two requests to microseconds. */
const roundingError = 1e-3

export function leftOf({ debtMs, perMinute }: Pick<Pace, 'debtMs' | 'perMinute'>): PaceLeft {
  const left = (minuteMs - debtMs) / (minuteMs / perMinute)
  return { left: Math.max(0, Math.floor(left + roundingError)), of: perMinute }
}

/** Counts against the account's pace as an accepted request would. */
export async function slowDown(core: Core, userId: string, usual: AccountLimits): Promise<void> {
  await core.database.rows(sql`
    update users set pace_at = greatest(pace_at, now()) + ${spacing(usual)} where id = ${userId}::uuid`)
}

/** Counts something free towards the account's requests per minute. Throws AppError banned, too_fast. */
export async function takePace(core: Core, userId: string, usual: AccountLimits): Promise<void> {
  const taken = await core.database.rows(sql`
    update users set pace_at = greatest(pace_at, now()) + ${spacing(usual)}
    where id = ${userId}::uuid and closed_at is null and not ${isBanned} and ${hasPace(usual)}
    returning id`)
  if (taken.length > 0) return
  const [user] = await core.database.db
    .select({ ...banColumns, ...paceColumns(usual) })
    .from(users)
    .where(eq(users.id, userId))
  if (user?.banned) throw banError(user)
  const limit = user?.perMinute ?? usual.perMinute
  // the pace may have recovered since
  throw (user && tooFast(user)) ?? new AppError('too_fast', { limit, seconds: 1 })
}

/** Whether the account may make a request now, in a statement about `users`. */
export const hasPace = (usual: LimitValues): SQL =>
  sql`greatest(pace_at, now()) <= now() + interval '1 minute' - ${spacing(usual)}`

const paceColumns = (usual: AccountLimits) => ({
  debtMs,
  inFlightLimit: inFlightLimit(usual),
  perMinute: perMinuteLimit(usual),
})

interface Pace {
  debtMs: number
  inFlightLimit: number
  perMinute: number
}

async function paceOf(core: Core, userId: string, usual: AccountLimits): Promise<Pace | undefined> {
  const [pace] = await core.database.db.select(paceColumns(usual)).from(users).where(eq(users.id, userId))
  return pace
}

function tooFast({ debtMs, perMinute }: Pick<Pace, 'debtMs' | 'perMinute'>): AppError | undefined {
  const waitMs = debtMs - minuteMs + minuteMs / perMinute
  return waitMs > 0 ? new AppError('too_fast', { limit: perMinute, seconds: Math.ceil(waitMs / 1000) }) : undefined
}
