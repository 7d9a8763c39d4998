/**
 * Invitations. A person who comes by the code of another one is noted; after the invited person's first picture both get credits,
 * once (`generation/end.ts` notes the picture, the sweeper pays).
 */
import { randomBytes } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { columnsOf, readRows } from '../../db/columns.ts'
import type { Db } from '../../db/database.ts'
import { referralCodes, referrals } from '../../db/schema/billing.ts'
import { assertNotBanned, lockAccounts, withOwn } from '../accounts/lock.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { grant } from './ledger.ts'

/** Invitations that pay one inviter in a calendar month, UTC: it bounds what throw-away accounts earn. The invited person is paid in any case. */
export const maxRewardsPerMonth = 20
/** Invitations that one round of the sweeper pays. */
const batchSize = 100

/** The start of an invitation, in links and in commands. */
export const referralPrefix = 'ref_'

const codeColumns = columnsOf({ code: referralCodes.code }, '')

/** The code of the account, which the first call makes. */
export async function referralCodeOf(core: Core, userId: string): Promise<string> {
  const code = randomBytes(6).toString('hex')
  const [row] = await readRows(
    core.database,
    codeColumns,
    // an update that changes nothing, so that the existing row is returned
    (list) => sql`
      insert into referral_codes (code, user_id) values (${code}, ${userId}::uuid)
      on conflict (user_id) do update set user_id = excluded.user_id returning ${list}`,
  )
  return row?.code ?? code
}

/** Why an account cannot be invited. */
export type NotInvitable = 'self' | 'drew' | 'invited' | 'mutual' | 'off'

/** Notes that the account came by this code. A second call changes nothing. Throws AppError unknown_code, not_invitable, banned. */
export async function acceptInvitation(core: Core, userId: string, code: string): Promise<void> {
  if (core.limits.referral === 0) throw notInvitable('off')
  const [inviting] = await core.database.db
    .select({ userId: referralCodes.userId })
    .from(referralCodes)
    .where(sql`${referralCodes.code} = ${code}`)
  if (!inviting) throw new AppError('unknown_code')
  await core.database.db.transaction(async (tx) => {
    const accounts = await lockAccounts(core, tx, [userId, inviting.userId])
    const [invited, inviter] = [accounts.get(userId), accounts.get(inviting.userId)]
    if (!invited || !inviter) throw new AppError('unknown_code')
    assertNotBanned(invited)
    if (invited.id === inviter.id) throw notInvitable('self')
    const earlier = await inviterOf(core, tx, invited.id)
    if (earlier !== undefined) {
      if (await isOwn(core, tx, { userId: inviter.id, id: earlier })) return
      throw notInvitable('invited')
    }
    const reverse = await inviterOf(core, tx, inviter.id)
    if (reverse !== undefined && (await isOwn(core, tx, { userId: invited.id, id: reverse })))
      throw notInvitable('mutual')
    if (await hasDrawn(core, tx, invited.id)) throw notInvitable('drew')
    await tx.insert(referrals).values({ userId: invited.id, inviterId: inviter.id })
  })
}

const notInvitable = (reason: NotInvitable) => new AppError('not_invitable', { reason })

/** Pays the invitations whose invited person has a first picture. Any number of processes may call it. */
export async function rewardReferrals(core: Core): Promise<void> {
  if (core.limits.referral === 0) return
  const due = await core.database.db
    .select({ userId: referrals.userId })
    .from(referrals)
    .where(sql`picture_at is not null and rewarded_at is null`)
    .orderBy(referrals.pictureAt)
    .limit(batchSize)
  for (const { userId } of due) {
    try {
      await reward(core, userId)
    } catch (error) {
      core.log.warn({ err: error }, 'an invitation could not be paid; the next sweep retries')
    }
  }
}

async function reward(core: Core, userId: string): Promise<void> {
  const { referral: amount } = core.limits
  await core.database.db.transaction(async (tx) => {
    // accounts are locked before the rows about them, as when two accounts are joined
    const [read] = await tx
      .select({ inviterId: referrals.inviterId })
      .from(referrals)
      .where(sql`${referrals.userId} = ${userId}::uuid`)
    if (!read) return
    const accounts = await lockAccounts(core, tx, [userId, read.inviterId])
    const [invited, inviter] = [accounts.get(userId), accounts.get(read.inviterId)]
    const due = await tx
      .update(referrals)
      .set({ rewardedAt: sql`now()` })
      .where(sql`${referrals.userId} = ${userId}::uuid and rewarded_at is null`)
      .returning({ userId: referrals.userId })
    if (due.length === 0) return
    // joined since: a person who invites an account of their own gets nothing
    if (!invited || !inviter || invited.id === inviter.id) return
    const key = `referral:${userId}`
    if (invited.closedAt === null) {
      await grant(core, { userId: invited.id, amount, source: 'referral', key: `${key}:invited` }, tx)
    }
    if (inviter.closedAt === null && (await rewardsThisMonth(core, tx, inviter.id)) < maxRewardsPerMonth) {
      await grant(core, { userId: inviter.id, amount, source: 'referral', key: `${key}:inviter` }, tx)
    }
  })
}

const inviterColumns = columnsOf({ inviterId: referrals.inviterId }, '')

/** undefined: the person was not invited. */
async function inviterOf(core: Core, tx: Db, userId: string): Promise<string | undefined> {
  const [row] = await readRows(
    core.database,
    inviterColumns,
    (list) => sql`${withOwn(userId)} select ${list} from referrals where user_id in (select id from own) limit 1`,
    tx,
  )
  return row?.inviterId
}

async function isOwn(core: Core, tx: Db, { userId, id }: { userId: string; id: string }): Promise<boolean> {
  const rows = await core.database.rows(sql`${withOwn(userId)} select id from own where id = ${id}::uuid`, tx)
  return rows.length > 0
}

async function hasDrawn(core: Core, tx: Db, userId: string): Promise<boolean> {
  const rows = await core.database.rows(
    sql`
      ${withOwn(userId)} select id from generations
      where user_id in (select id from own) and state in ('stored','delivered') limit 1`,
    tx,
  )
  return rows.length > 0
}

async function rewardsThisMonth(core: Core, tx: Db, userId: string): Promise<number> {
  // unchecked row: an expression
  const [row] = await core.database.rows<{ count: number }>(
    sql`
      ${withOwn(userId)} select count(*)::int as count from ledger
      where user_id in (select id from own) and source = 'referral' and key like 'referral:%:inviter'
        and created_at >= date_trunc('month', now() at time zone 'UTC') at time zone 'UTC'`,
    tx,
  )
  return row?.count ?? 0
}
