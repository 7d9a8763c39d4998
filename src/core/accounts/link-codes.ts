/**
 * Codes with which a person joins two accounts: one of them shows it, the other one enters it and confirms. The button that confirms
 * needs no row: its ref is the code, signed for both accounts, and works for as long as the code does.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { and, eq, lt, type SQL, sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import type { Database, Db } from '../../db/database.ts'
import { identities, linkCodes, linkTries, users } from '../../db/schema/accounts.ts'
import { ledger } from '../../db/schema/ledger.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { callHash } from '../ids.ts'
import type { Call, Identity } from '../ports/chat.ts'
import { accountOf } from './accounts.ts'
import { assertNotBanned, joinAccounts, unlessConflicted, welcomeKey } from './join.ts'
import { keysEndedBy } from './join-rights.ts'

export interface Joining {
  /** The ref of the button that joins them. */
  ref: string
  /** Every identity of the account that showed the code. */
  people: readonly Pick<Identity, 'id' | 'name'>[]
}

export interface Joined {
  /** Every identity of the account: '<platform>:<id>' and name. */
  people: readonly Pick<Identity, 'id' | 'name'>[]
  balance: number
  /** What was left of the second welcome grant, and of daily and referral credits. */
  takenBack: number
  /** API keys that ended, because they would have got an administrator's rights. Browsers are signed out then, too. */
  keysEnded: number
}

export const codeMinutes = 10
/** Wrong codes of one account in an hour. A code has 40 random bits. */
const maxTries = 10
/** Without letters that look like digits. */
const letters = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const codeLength = 8
/** Codes are recognised as used or expired for a day. */
const keptFor = '1 day'

type Asking = Pick<Call, 'from' | 'key'>

/** The same call again gets the same code. Throws AppError banned. */
export async function createLinkCode(core: Core, { from, key }: Asking): Promise<string> {
  const userId = await accountOf(core, from)
  await assertNotBanned(core, userId)
  const bytes = createHmac('sha256', core.secretKey).update(`link code\n${key}`).digest()
  const code = Array.from(bytes.subarray(0, codeLength), (byte) => letters[byte % letters.length]).join('')
  const expiresAt = sql`now() + make_interval(mins => ${codeMinutes}::int)`
  await unlessConflicted(() =>
    core.database.db
      .insert(linkCodes)
      .values({ hash: hashOf(core, code), userId, expiresAt })
      .onConflictDoNothing(),
  )
  return `${code.slice(0, codeLength / 2)}-${code.slice(codeLength / 2)}`
}

/**
 * What the code would join with the account of the person, who has to agree, because a stranger may have sent the code. Throws AppError
 * link_code_wrong, link_code_over, link_own_code, link_admin, too_many_link_codes, banned.
 */
export async function askToJoin(core: Core, { from, key }: Asking, written: string): Promise<Joining> {
  const entered = readCode(written)
  const userId = await accountOf(core, from)
  await assertNotBanned(core, userId)
  await unlessConflicted(() => takeTry(core, userId, key))
  const code = await readCodeRow(core, hashOf(core, entered))
  if (!code) throw new AppError('link_code_wrong')
  // entering a code that exists is not a guess
  await core.database.db.delete(linkTries).where(eq(linkTries.key, key))
  refuse(code, userId)
  await assertNotBanned(core, code.userId)
  await assertNoRightsGiven(core, from, code.userId)
  const signed = signature(core, { code: entered, mine: userId, theirs: code.userId })
  return { ref: `${entered}.${signed}`, people: await peopleOf(core, sql`${code.userId}::uuid`) }
}

/**
 * Joins the account of the person with the one that showed the code. The same call again gets the same answer. Throws AppError
 * link_code_wrong, link_code_over, link_own_code, link_admin, banned, overloaded, and not_yours for a ref that was made for another
 * account, or to join another one.
 */
export async function joinAgreed(core: Core, { from, key }: Asking, ref: string): Promise<Joined> {
  const [code = '', signed = ''] = ref.split('.')
  const hash = hashOf(core, code)
  const before = await readCodeRow(core, hash)
  if (before?.usedBy === entryKey(core, key)) return joinedBy(core, from, key)
  const mine = await accountOf(core, from)
  await assertNotBanned(core, mine)
  if (!before || !isSigned(core, { code, mine, theirs: before.userId }, signed)) throw new AppError('not_yours')
  await assertNoRightsGiven(core, from, before.userId)
  await joinAccounts(core, {
    key: entryKey(core, key),
    accounts: async (tx) => {
      const owner = await readCodeRow(core, hash, tx)
      const mine = await accountNow(from, tx)
      refuse(owner, mine)
      if (!isSigned(core, { code, mine, theirs: owner.userId }, signed)) throw new AppError('not_yours')
      return [mine, owner.userId]
    },
    check: async (tx, [, owner]) => {
      const used = await tx
        .update(linkCodes)
        .set({ usedAt: sql`now()`, usedBy: entryKey(core, key) })
        .where(and(eq(linkCodes.hash, hash), eq(linkCodes.userId, owner), sql`used_at is null and expires_at > now()`))
        .returning({ hash: linkCodes.hash })
      if (used.length === 0) refuse(await readCodeRow(core, hash, tx), undefined)
    },
  })
  return joinedBy(core, from, key)
}

/** For the sweeper. */
export async function forgetOldLinkCodes({ db }: Database): Promise<void> {
  await db.delete(linkCodes).where(lt(linkCodes.expiresAt, sql`now() - ${keptFor}::interval`))
  await db.delete(linkTries).where(lt(linkTries.createdAt, sql`now() - interval '1 hour'`))
}

const codeColumns = columnsOf({
  userId: linkCodes.userId,
  usedAt: linkCodes.usedAt,
  usedBy: linkCodes.usedBy,
  expired: typed<boolean>(sql`expires_at <= now()`),
})

type CodeRow = NonNullable<(typeof codeColumns)['row']>

async function readCodeRow({ database }: Core, hash: string, on?: Db): Promise<CodeRow | undefined> {
  const [row] = await readRows(
    database,
    codeColumns,
    (list) => sql`select ${list} from link_codes where hash = ${hash}`,
    on,
  )
  return row
}

function refuse(code: CodeRow | undefined, userId: string | undefined): asserts code is CodeRow {
  if (!code) throw new AppError('link_code_wrong')
  if (code.usedAt !== null || code.expired) throw new AppError('link_code_over', { used: code.usedAt !== null })
  if (code.userId === userId) throw new AppError('link_own_code')
}

/** Throws AppError too_many_link_codes. */
async function takeTry(core: Core, userId: string, key: string): Promise<void> {
  const waitMinutes = await core.database.db.transaction(async (tx) => {
    // the lock makes concurrent tries count one after the other
    await core.database.rows(sql`select id from users where id = ${userId}::uuid for update`, tx)
    const [tries] = await readRows(
      core.database,
      tryColumns,
      (list) => sql`
        select ${list} from link_tries
        where user_id = ${userId}::uuid and key <> ${key} and created_at > now() - interval '1 hour'`,
      tx,
    )
    if (tries && tries.count >= maxTries) return tries.waitMinutes
    await tx.insert(linkTries).values({ key, userId }).onConflictDoNothing()
    return undefined
  })
  if (waitMinutes !== undefined) throw new AppError('too_many_link_codes', { limit: maxTries, minutes: waitMinutes })
}

const tryColumns = columnsOf({
  count: typed<number>(sql`count(*)::int`),
  waitMinutes: typed<number>(sql`ceil(extract(epoch from min(created_at) + interval '1 hour' - now()) / 60)::int`),
})

/**
 * Keys of an account have the rights of its administrators. So an administrator shows a code and does not enter one: a stranger may
 * have sent it. Throws AppError link_admin.
 */
async function assertNoRightsGiven(core: Core, from: Identity, owner: string): Promise<void> {
  const mine = await peopleOf(core, sql`(select user_id from identities where id = ${from.id})`)
  if (!mine.some(({ id }) => core.isAdmin(id))) return
  const theirs = await peopleOf(core, sql`${owner}::uuid`)
  if (!theirs.some(({ id }) => core.isAdmin(id))) throw new AppError('link_admin')
}

async function joinedBy(core: Core, from: Identity, key: string): Promise<Joined> {
  const userId = await accountOf(core, from)
  const [people, [account], [taken]] = await Promise.all([
    peopleOf(core, sql`${userId}::uuid`),
    core.database.db
      .select({ balance: users.balance, keysEnded: keysEndedBy(userId, entryKey(core, key)) })
      .from(users)
      .where(eq(users.id, userId)),
    core.database.db
      .select({ amount: ledger.amount })
      .from(ledger)
      .where(eq(ledger.key, welcomeKey(entryKey(core, key)))),
  ])
  return {
    people,
    balance: account?.balance ?? 0,
    takenBack: -(taken?.amount ?? 0),
    keysEnded: account?.keysEnded ?? 0,
  }
}

const peopleOf = ({ database }: Core, userId: SQL) =>
  database.db
    .select({ id: identities.id, name: identities.name })
    .from(identities)
    .where(eq(identities.userId, userId))
    .orderBy(identities.createdAt)

const entryKey = (core: Core, callKey: string) => `link:${callHash(core, callKey)}`

/** The account of an identity that has one. */
async function accountNow(from: Identity, tx: Db): Promise<string> {
  const [row] = await tx.select({ userId: identities.userId }).from(identities).where(eq(identities.id, from.id))
  if (!row) throw new AppError('unknown_user', { user: from.name })
  return row.userId
}

interface Agreed {
  code: string
  /** The account that entered the code. */
  mine: string
  /** The one that showed it. */
  theirs: string
}

const signature = ({ secretKey }: Core, { code, mine, theirs }: Agreed) =>
  createHmac('sha256', secretKey).update(`join ${code} ${mine} ${theirs}`).digest('base64url').slice(0, 22)

function isSigned(core: Core, agreed: Agreed, presented: string): boolean {
  const [given, expected] = [Buffer.from(presented), Buffer.from(signature(core, agreed))]
  return given.length === expected.length && timingSafeEqual(given, expected)
}

/** People write codes with and without the hyphen, in either case, and with O for 0 and I for 1. */
const readCode = (written: string) =>
  written
    .toUpperCase()
    .replaceAll('O', '0')
    .replace(/[IL]/g, '1')
    .replace(/[^0-9A-Z]/g, '')

const hashOf = ({ secretKey }: Core, code: string) =>
  createHmac('sha256', secretKey).update(`link ${code}`).digest('hex')
