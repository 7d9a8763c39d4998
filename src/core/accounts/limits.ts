/** How many requests an account may have under way, and make in a minute. The accepting statement checks the same limits. */
import { eq, sql } from 'drizzle-orm'
import { users } from '../../db/schema/accounts.ts'
import type { Core, Limits, Rule } from '../core.ts'
import { AppError } from '../errors.ts'
import type { KeyHolder } from './api-keys.ts'
import { banColumns, banError, isBanned } from './bans.ts'

export type AccountLimits = Pick<Limits, 'inFlight' | 'perMinute'>

/** The operator's programs serve many people at once. */
export const operatorLimits: AccountLimits = { inFlight: 100, perMinute: 6_000 }

const minuteMs = 60_000

/** By the key that a program uses. */
export function limitsFor({ limits }: Core, { keyId }: Pick<KeyHolder, 'keyId'>): AccountLimits {
  return keyId === null ? operatorLimits : limits
}

/** Average interval between two requests. A minute's worth of them may come at once (GCRA). */
export const spacing = (perMinute: number) => `${minuteMs / perMinute} milliseconds`

/** How far `users.pace_at` is ahead of now. */
const debtMs = sql<number>`(extract(epoch from greatest(${users.paceAt}, now()) - now()) * 1000)::float8`

const balanceOf = (payer: string) => sql<number>`(select payer.balance from users payer where payer.id = ${payer})`

/** Refuses a request that the payer cannot pay for, or that the person has no room for. */
export const accountRule: Rule = async (core, { userId, payer, price, inFlight, perMinute }) => {
  const [user] = await core.database.db
    .select({
      balance: payer === undefined ? users.balance : balanceOf(payer),
      inFlight: users.inFlight,
      ...banColumns,
      debtMs,
    })
    .from(users)
    .where(eq(users.id, userId))
  if (!user) return new AppError('unknown_user', { user: userId })
  if (user.banned) return banError(user)
  if (user.balance < price) return new AppError('no_credits', { price, balance: user.balance })
  if (user.inFlight >= inFlight) return new AppError('too_many_in_flight', { limit: inFlight })
  return tooFast(user.debtMs, perMinute)
}

/** Throws AppError too_fast. */
export async function assertPace(core: Core, userId: string, { perMinute }: Pick<Limits, 'perMinute'>): Promise<void> {
  const error = tooFast(await debtOf(core, userId), perMinute)
  if (error) throw error
}

/** How many requests the account may make now. */
export async function paceLeft(core: Core, userId: string, { perMinute }: Pick<Limits, 'perMinute'>): Promise<number> {
  const left = (minuteMs - (await debtOf(core, userId))) / (minuteMs / perMinute)
  return Math.max(0, Math.floor(left))
}

/** Counts against the account's pace as an accepted request would. */
export async function slowDown(core: Core, userId: string, { perMinute }: Pick<Limits, 'perMinute'>): Promise<void> {
  await core.database.rows(sql`
    update users set pace_at = greatest(pace_at, now()) + ${spacing(perMinute)}::interval where id = ${userId}::uuid`)
}

/** Counts something free towards the account's requests per minute. Throws AppError banned, too_fast. */
export async function takePace(core: Core, userId: string, { perMinute }: Pick<Limits, 'perMinute'>): Promise<void> {
  const taken = await core.database.rows(sql`
    update users set pace_at = greatest(pace_at, now()) + ${spacing(perMinute)}::interval
    where id = ${userId}::uuid and not ${isBanned}
      and greatest(pace_at, now()) <= now() + interval '60 seconds' - ${spacing(perMinute)}::interval
    returning id`)
  if (taken.length > 0) return
  const [user] = await core.database.db
    .select({ ...banColumns, debtMs })
    .from(users)
    .where(eq(users.id, userId))
  if (user?.banned) throw banError(user)
  // the pace may have recovered since
  throw tooFast(user?.debtMs ?? 0, perMinute) ?? new AppError('too_fast', { limit: perMinute, seconds: 1 })
}

async function debtOf(core: Core, userId: string): Promise<number> {
  const [user] = await core.database.db.select({ debtMs }).from(users).where(eq(users.id, userId))
  return user?.debtMs ?? 0
}

function tooFast(debtMs: number, perMinute: number): AppError | undefined {
  const waitMs = debtMs - minuteMs + minuteMs / perMinute
  return waitMs > 0 ? new AppError('too_fast', { limit: perMinute, seconds: Math.ceil(waitMs / 1000) }) : undefined
}
