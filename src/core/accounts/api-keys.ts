/** Keys with which programs act for an account. Shown once, kept as a hash; what they spend is counted by the ledger. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { cleanText, shorten } from '../text.ts'
import { accountOf } from './accounts.ts'

/** Who a program acts for. */
export interface KeyHolder {
  userId: string
  /** null: the operator's API_KEY. */
  keyId: string | null
  admin: boolean
  /** Ids of those it may use; null: all. */
  models: readonly string[] | null
}

/** Whose requests it may see and cancel; null: everybody's. */
export const ownerOf = ({ admin, userId }: KeyHolder) => (admin ? null : userId)

export interface NewKey {
  userId: string
  name: string
  /** Credits in a calendar month, UTC. */
  monthlyCap?: number
  models?: readonly string[]
}

export interface ApiKey {
  id: string
  name: string
  tail: string
  monthlyCap: number | null
  models: readonly string[] | null
  /** Credits in this month. */
  spent: number
  usedAt: Date | null
}

/** Keys of one account that work. */
const mostKeys = 20
const longestName = 60
/** What an integer of the database holds. */
const largestCap = 2_147_483_647
const keyBytes = 32

/** Throws AppError too_many_keys, bad_option, unknown_model. */
export async function createApiKey(core: Core, wanted: NewKey): Promise<{ id: string; key: string }> {
  const { userId, monthlyCap, models } = check(core, wanted)
  const id = uuidv7()
  const key = `fb_${randomBytes(keyBytes).toString('base64url')}`
  const made = await core.database.db.transaction(async (tx) => {
    // counted while the account's row is locked: two at once cannot both be the last
    await core.database.rows(sql`select id from users where id = ${userId} for update`, tx)
    return core.database.rows(
      sql`
        insert into api_keys (id, user_id, name, hash, tail, monthly_cap, models)
        select ${id}::uuid, ${userId}::uuid, ${nameOf(wanted.name)}, ${hashOf(key).toString('hex')}, ${key.slice(-4)},
          ${monthlyCap ?? null}::int, ${models ? JSON.stringify(models) : null}::jsonb
        where (select count(*) from api_keys where user_id = ${userId} and revoked_at is null) < ${mostKeys}
        returning id`,
      tx,
    )
  })
  if (made.length === 0) throw new AppError('too_many_keys', { limit: mostKeys })
  return { id, key }
}

/** Of `api_keys`: what the ledger counted, which is of the last month in which there was something to count. */
export const spentThisMonth = sql`case when spent_month = to_char(now() at time zone 'UTC', 'YYYY-MM') then spent else 0 end`

/** Those that work, the oldest first. */
export function listApiKeys(core: Core, userId: string): Promise<ApiKey[]> {
  return core.database.rows<ApiKey>(sql`
    select id, name, tail, monthly_cap as "monthlyCap", models, used_at as "usedAt",
      ${spentThisMonth} as spent
    from api_keys where user_id = ${userId} and revoked_at is null order by id`)
}

/** False: it is none of this account's, or was revoked before. */
export async function revokeApiKey(core: Core, userId: string, id: string): Promise<boolean> {
  const rows = await core.database.rows(sql`
    update api_keys set revoked_at = now()
    where id::text = ${id} and user_id = ${userId} and revoked_at is null returning id`)
  return rows.length > 0
}

/** `operatorKey`: API_KEY, whose account is made when it is first used. */
export async function findKeyHolder(
  core: Core,
  presented: string,
  operatorKey: string | undefined,
): Promise<KeyHolder | undefined> {
  const hash = hashOf(presented)
  if (operatorKey !== undefined && timingSafeEqual(hash, hashOf(operatorKey))) {
    const userId = await accountOf(core, { id: 'api:operator', name: 'operator' })
    return { userId, keyId: null, admin: true, models: null }
  }
  const [row] = await core.database.rows<Omit<KeyHolder, 'admin'> & { identities: string[]; narrow: boolean }>(sql`
    with used as (
      update api_keys set used_at = now()
      where hash = ${hash.toString('hex')} and revoked_at is null
        and (used_at is null or used_at < now() - interval '1 minute'))
    select k.user_id as "userId", k.id as "keyId", k.models, (k.models is not null or k.monthly_cap is not null) as narrow,
      (select coalesce(jsonb_agg(i.id), '[]') from identities i where i.user_id = k.user_id) as identities
    from api_keys k where k.hash = ${hash.toString('hex')} and k.revoked_at is null`)
  if (!row) return undefined
  const { identities, narrow, ...holder } = row
  // whoever narrows what a key may do does not mean it to do everything
  return { ...holder, admin: !narrow && identities.some((identity) => core.isAdmin(identity)) }
}

/** A key holds 256 random bits, so that its plain hash cannot be guessed back, nor a hash approached byte by byte. */
function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}

function nameOf(name: string): string {
  return shorten(cleanText(name), longestName)
}

/** Throws AppError for a cap that is none, and models that are not there. */
function check(core: Core, wanted: NewKey): NewKey {
  const { monthlyCap, models } = wanted
  if (monthlyCap !== undefined && !(Number.isInteger(monthlyCap) && monthlyCap >= 1 && monthlyCap <= largestCap)) {
    throw new AppError('bad_option', { name: 'cap', value: monthlyCap, expected: `1–${largestCap}` })
  }
  const known = core.models.all().map(({ id }) => id)
  const unknown = models?.find((model) => !known.includes(model))
  if (unknown !== undefined) throw new AppError('unknown_model', { name: unknown, available: known })
  return wanted
}
