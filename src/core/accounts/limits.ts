/** How much an account may have under way, and ask for in a minute. The statement that accepts (submit.ts) goes by the same. */
import { sql } from 'drizzle-orm'
import type { Core, Limits } from '../core.ts'
import { AppError } from '../errors.ts'
import type { KeyHolder } from './api-keys.ts'

export type AccountLimits = Pick<Limits, 'inFlight' | 'perMinute'>

/** The operator's programs serve many people at once. */
export const operatorLimits: AccountLimits = { inFlight: 100, perMinute: 6_000 }

const minuteMs = 60_000

/** By the key that is used. */
export function limitsFor({ limits }: Core, { keyId }: Pick<KeyHolder, 'keyId'>): AccountLimits {
  return keyId === null ? operatorLimits : limits
}

/** Between two requests, on average; a minute's worth of them may come at once (GCRA). */
export const spacing = (perMinute: number) => `${minuteMs / perMinute} milliseconds`

/** How far `users.pace_at` is ahead. */
const debtMs = sql`(extract(epoch from greatest(pace_at, now()) - now()) * 1000)::float8 as "debtMs"`

interface Asked extends AccountLimits {
  price: number
}

/** Why a request would not be accepted. undefined: nothing stands against it now. */
export async function reasonAgainst(
  core: Core,
  userId: string,
  { price, inFlight, perMinute }: Asked,
): Promise<AppError | undefined> {
  const [user] = await core.database.rows<{ balance: number; inFlight: number; banned: boolean; debtMs: number }>(sql`
    select balance, in_flight as "inFlight", banned, ${debtMs} from users where id = ${userId}::uuid`)
  if (!user) return new AppError('unknown_user', { user: userId })
  if (user.banned) return new AppError('banned')
  if (user.balance < price) return new AppError('no_credits', { price, balance: user.balance })
  if (user.inFlight >= inFlight) return new AppError('too_many_in_flight', { limit: inFlight })
  return tooFast(user.debtMs, perMinute)
}

/** Throws AppError too_fast. */
export async function assertPace(core: Core, userId: string, { perMinute }: Pick<Limits, 'perMinute'>): Promise<void> {
  const error = tooFast(await debtOf(core, userId), perMinute)
  if (error) throw error
}

/** How many requests it may make now. */
export async function paceLeft(core: Core, userId: string, { perMinute }: Pick<Limits, 'perMinute'>): Promise<number> {
  const left = (minuteMs - (await debtOf(core, userId))) / (minuteMs / perMinute)
  return Math.max(0, Math.floor(left))
}

/** As if a request had been accepted. */
export async function slowDown(core: Core, userId: string, { perMinute }: Pick<Limits, 'perMinute'>): Promise<void> {
  await core.database.rows(sql`
    update users set pace_at = greatest(pace_at, now()) + ${spacing(perMinute)}::interval where id = ${userId}::uuid`)
}

async function debtOf(core: Core, userId: string): Promise<number> {
  const [user] = await core.database.rows<{ debtMs: number }>(
    sql`select ${debtMs} from users where id = ${userId}::uuid`,
  )
  return user?.debtMs ?? 0
}

function tooFast(debtMs: number, perMinute: number): AppError | undefined {
  const waitMs = debtMs - minuteMs + minuteMs / perMinute
  return waitMs > 0 ? new AppError('too_fast', { limit: perMinute, seconds: Math.ceil(waitMs / 1000) }) : undefined
}
