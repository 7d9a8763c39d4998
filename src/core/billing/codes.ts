/** Codes that give credits to the people who redeem them. */
import { createHash, createHmac } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import type { Db } from '../../db/database.ts'
import { users } from '../../db/schema/accounts.ts'
import { creditCodes } from '../../db/schema/billing.ts'
import { audited } from '../accounts/audit.ts'
import { assertNotBanned, lockAccount, withOwn } from '../accounts/lock.ts'
import type { Core } from '../core.ts'
import { AppError, type ErrorKind } from '../errors.ts'
import { callHash } from '../ids.ts'
import { type Granted, grant, maxGrant } from './ledger.ts'

export const maxUses = 1_000_000
export const maxDays = 3_650
/** Wrong codes that one account may try in an hour. */
const triesPerHour = 10
const spacing = `${3_600 / triesPerHour} seconds`

/** Crockford's base 32, without letters that look like digits. */
const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
/** 80 bits. */
const codeLength = 16

interface NewCode {
  credits: number
  /** How many people may redeem it. */
  uses: number
  /** Absent: it does not expire. */
  days?: number
  /** The identity of the administrator. */
  actor: string
  /** Of the call: the same call again makes no second code, and resolves to the same one. */
  key: string
}

/** Resolves to the code, of which only a hash is stored. Throws AppError bad_amount, bad_option. */
export async function createCode(core: Core, { credits, uses, days, actor, key }: NewCode): Promise<string> {
  if (!isWhole(credits, maxGrant)) throw new AppError('bad_amount', { amount: credits, limit: maxGrant })
  if (!isWhole(uses, maxUses)) throw new AppError('bad_option', { name: 'uses', value: uses, expected: `1–${maxUses}` })
  if (days !== undefined && !isWhole(days, maxDays)) {
    throw new AppError('bad_option', { name: 'days', value: days, expected: `1–${maxDays}` })
  }
  const code = writtenOf(createHmac('sha256', core.secretKey).update(`credit code\n${key}`).digest())
  const tail = code.slice(-4)
  const act = { actor, action: 'code', target: `…${tail}`, key: `code:${callHash(core, key)}` }
  await core.database.rows(sql`
    with noted as (${audited(act, { after: { credits, uses, days: days ?? null } })})
    insert into credit_codes (hash, tail, credits, uses, expires_at)
    select ${hashOf(code)}, ${tail}, ${credits}::int, ${uses}::int, now() + make_interval(days => ${days ?? null}::int)
    where exists (select from noted) on conflict (hash) do nothing`)
  return code
}

export interface Redeemed extends Granted {
  credits: number
}

/**
 * Once for each person. A code that the person has redeemed before resolves with `fresh` false. Throws AppError unknown_code,
 * code_expired, code_used_up, too_many_codes, banned.
 */
export async function redeemCode(core: Core, userId: string, written: string): Promise<Redeemed> {
  const hash = hashOf(written)
  const outcome = await core.database.db.transaction(async (tx): Promise<Redeemed | AppError> => {
    const account = await lockAccount(core, tx, userId)
    assertNotBanned(account)
    const { id, balance, debt } = account
    const seconds = await secondsUntilNextTry(core, tx, id)
    if (seconds > 0) return new AppError('too_many_codes', { limit: triesPerHour, minutes: Math.ceil(seconds / 60) })
    const code = await readCode(core, tx, { hash, userId: id })
    if (!code) {
      // counted in this transaction, whose lock keeps two tries from passing the limit together
      await core.database.rows(
        sql`update users set code_pace_at = greatest(code_pace_at, now()) + ${spacing}::interval where id = ${id}::uuid`,
        tx,
      )
      return new AppError('unknown_code')
    }
    const { credits } = code
    if (code.redeemed) return { fresh: false, balance, debt, credits }
    const refusal = await use(core, tx, { hash, userId: id })
    if (refusal) return new AppError(refusal)
    return {
      credits,
      ...(await grant(core, { userId: id, amount: credits, source: 'code', key: `code:${hash}:${id}` }, tx)),
    }
  })
  if (outcome instanceof AppError) throw outcome
  return outcome
}

const isWhole = (value: number, max: number) => Number.isInteger(value) && value >= 1 && value <= max

/** 'ABCD-EFGH-JKMN-PQRS'. */
function writtenOf(bytes: Buffer): string {
  const letters = [...bytes.subarray(0, codeLength)].map((byte) => digits[byte % digits.length]).join('')
  return letters.replace(/.{4}(?=.)/g, '$&-')
}

/** Case, hyphens and spaces do not count, and letters that look like a digit are read as that digit. */
function hashOf(written: string): string {
  const plain = written
    .toUpperCase()
    .replace(/[^0-9A-Z]/g, '')
    .replace(/O/g, '0')
    .replace(/[IL]/g, '1')
  return createHash('sha256').update(plain).digest('hex')
}

const paceColumns = columnsOf(
  {
    /** 0 or less: a code may be tried. */
    seconds: typed<number>(sql`coalesce(
      extract(epoch from code_pace_at - now() - interval '1 hour' + ${spacing}::interval), 0)::float8`),
    id: users.id,
  },
  '',
)

async function secondsUntilNextTry(core: Core, tx: Db, userId: string): Promise<number> {
  const [row] = await readRows(
    core.database,
    paceColumns,
    (list) => sql`select ${list} from users where id = ${userId}::uuid`,
    tx,
  )
  return row?.seconds ?? 0
}

interface Redemption {
  hash: string
  /** Id of an account that the transaction has locked. */
  userId: string
}

const readColumns = columnsOf(
  {
    credits: creditCodes.credits,
    redeemed: typed<boolean>(sql`exists (
      select from code_redemptions where code_hash = hash and user_id in (select id from own))`),
  },
  '',
)

/** `redeemed`: by this person. */
async function readCode(core: Core, tx: Db, { hash, userId }: Redemption) {
  const [code] = await readRows(
    core.database,
    readColumns,
    (list) => sql`${withOwn(userId)} select ${list} from credit_codes where hash = ${hash}`,
    tx,
  )
  return code
}

/** Resolves to why it cannot be used. The conditional update counts the uses of all processes. */
async function use(core: Core, tx: Db, { hash, userId }: Redemption): Promise<ErrorKind | undefined> {
  const used = await core.database.rows(
    sql`
      with used as (
        update credit_codes set used = used + 1
        where hash = ${hash} and used < uses and coalesce(expires_at > now(), true) returning hash)
      insert into code_redemptions (code_hash, user_id) select hash, ${userId}::uuid from used returning code_hash`,
    tx,
  )
  if (used.length > 0) return undefined
  const expired = await core.database.rows(
    sql`select hash from credit_codes where hash = ${hash} and expires_at <= now()`,
    tx,
  )
  return expired.length > 0 ? 'code_expired' : 'code_used_up'
}
