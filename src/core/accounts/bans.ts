/** Bans of accounts. An expired ban needs no clean-up, because every check compares its end with the clock. */
import { createHmac } from 'node:crypto'
import { type SQL, sql } from 'drizzle-orm'
import { users } from '../../db/schema/accounts.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { utcText } from '../text.ts'

/** Whether the account is banned now. Use it in a statement about `users`, under that name. */
export const isBanned: SQL<boolean> = sql`(${users.banned} and (${users.bannedUntil} is null or ${users.bannedUntil} > now()))`

export interface Ban {
  /** null: for ever. */
  until: Date | null
  reason: string | null
}

/** Of `users`: whether the account is banned now, and how. */
export const banColumns = { banned: isBanned, until: users.bannedUntil, reason: users.banReason }

/** The error that a banned person sees. */
export function banError({ until, reason }: Ban): AppError {
  return new AppError('banned', { until: until ? utcText(until) : undefined, reason: reason ?? undefined })
}

/**
 * The key in `kept_bans` of an identity whose account is gone. The secret key is part of it, because identities are short
 * numbers and could be guessed from a plain hash.
 */
export function identityHash({ secretKey }: Pick<Core, 'secretKey'>, identity: string): string {
  return createHmac('sha256', secretKey).update(`banned identity ${identity}`).digest('hex')
}

/**
 * `banned`, `until` and `reason` of a new account: those of the ban that was kept when an earlier account of this identity was
 * deleted. One row always, for the statement that creates the account.
 */
export function keptBan(core: Pick<Core, 'secretKey'>, identity: string): SQL {
  return sql`
    select kept.identity_hash is not null as banned, kept.until, kept.reason
    from (select) always
    left join kept_bans kept on kept.identity_hash = ${identityHash(core, identity)} and (kept.until is null or kept.until > now())`
}
