/** Keys with which programs act for an account. A key is shown once and stored as a hash; the ledger counts what it spends. */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { apiKeys } from '../../db/schema/accounts.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { cleanText, shorten } from '../text.ts'
import { rememberedAccountOf } from './accounts.ts'
import { type AdminAct, actOnRequestOnce, audited } from './audit.ts'

/** The account that a program acts for, and what its key permits. */
export interface KeyHolder {
  userId: string
  /** null: the operator's API_KEY, or no key (ANONYMOUS_API). */
  keyId: string | null
  admin: boolean
  /** The identity whose rights it has, if it is an administrator's. */
  adminAs?: string
  /** Ids of the models it may use. null: all. */
  models: readonly string[] | null
}

/** Of API_KEY. */
export const operatorIdentity = 'api:operator'

/** The account whose requests the program may see and cancel. null: all accounts. */
export const ownerOf = ({ admin, userId }: KeyHolder) => (admin ? null : userId)

/** For the audit log. The holder is an administrator. */
export const adminIn = ({ adminAs = operatorIdentity }: KeyHolder): string => adminAs

/** For the audit log. undefined: the holder acts on requests of its own only. */
export const actOf = (holder: KeyHolder) =>
  holder.admin ? actOnRequestOnce(adminIn(holder), holder.userId) : undefined

export interface NewKey {
  userId: string
  name: string
  /** Credits in a calendar month, UTC. Absent: no cap. */
  monthlyCap?: number
  /** Absent: all. */
  models?: readonly string[]
  /** The same call again gets the same key, and adds none. Absent: each call makes a key. */
  callKey?: string
}

export interface ApiKey {
  id: string
  name: string
  /** The last four characters of the key. */
  tail: string
  monthlyCap: number | null
  models: readonly string[] | null
  /** Credits spent this month. */
  spent: number
  /** To the minute. null: never used. */
  usedAt: Date | null
}

/** Keys of one account that are not revoked. */
const maxKeys = 20
const maxNameCharacters = 60
/** The largest value of the database's integer type. */
const largestCap = 2_147_483_647
const keyBytes = 32

/** The form of people's keys. Other text need not be looked up. */
export const personalKey = /^fb_[\w-]{43}$/

/** Throws AppError too_many_keys, bad_option, unknown_model. */
export async function createApiKey(core: Core, wanted: NewKey): Promise<{ id: string; key: string }> {
  checkLimits(core, wanted)
  const { userId, monthlyCap, models, callKey } = wanted
  const id = uuidv7()
  const name = shorten(cleanText(wanted.name), maxNameCharacters)
  const key = `fb_${bytesOf(core, callKey).toString('base64url')}`
  const inserted = await core.database.db.transaction(async (tx) => {
    // the lock makes concurrent calls count one after the other, so that they cannot pass the limit together
    await core.database.rows(sql`select id from users where id = ${userId} for update`, tx)
    return readRows(
      core.database,
      made,
      (list) => sql`
        with earlier as (select ${list} from api_keys where hash = ${apiKeyHash(key)}), inserted as (
        insert into api_keys (id, user_id, name, hash, tail, monthly_cap, models)
        select ${id}::uuid, ${userId}::uuid, ${name}, ${apiKeyHash(key)}, ${key.slice(-4)},
          ${monthlyCap ?? null}::int, ${models ? JSON.stringify(models) : null}::jsonb
        where (select count(*) from api_keys where user_id = ${userId} and revoked_at is null) < ${maxKeys}
          and not exists (select from earlier)
        returning ${list})
        select ${list} from earlier api_keys union all select ${list} from inserted api_keys`,
      tx,
    )
  })
  const [row] = inserted
  if (!row) throw new AppError('too_many_keys', { limit: maxKeys })
  return { id: row.id, key }
}

const made = columnsOf({ id: apiKeys.id })

const bytesOf = ({ secretKey }: Core, callKey: string | undefined) =>
  callKey === undefined ? randomBytes(keyBytes) : createHmac('sha256', secretKey).update(`api key\n${callKey}`).digest()

/**
 * Credits that a key has spent in this month; use it in a statement that selects from `api_keys`. The ledger's trigger resets
 * `spent` only when it counts again, so a row may still hold the sum of an earlier month.
 */
export const spentThisMonth = sql`case
  when ${apiKeys.spentMonth} = to_char(now() at time zone 'UTC', 'YYYY-MM') then ${apiKeys.spent} else 0 end`

const listed = columnsOf({
  id: apiKeys.id,
  name: apiKeys.name,
  tail: apiKeys.tail,
  monthlyCap: apiKeys.monthlyCap,
  models: apiKeys.models,
  usedAt: apiKeys.usedAt,
  spent: typed<number>(spentThisMonth),
})

/** Keys that are not revoked, oldest first. */
export function listApiKeys(core: Core, userId: string): Promise<ApiKey[]> {
  return readRows(
    core.database,
    listed,
    (columns) => sql`
      select ${columns} from api_keys where user_id = ${userId} and revoked_at is null order by id`,
  )
}

/** Resolves to false when the account has no such key, or it is revoked already. */
export async function revokeApiKey(core: Core, userId: string, id: string): Promise<boolean> {
  const rows = await core.database.rows(sql`
    update api_keys set revoked_at = now()
    where id::text = ${id} and user_id = ${userId} and revoked_at is null returning id`)
  return rows.length > 0
}

/** Revokes a key of another person. */
export async function revokeKeyOf(
  core: Core,
  { userId, id }: { userId: string; id: string },
  act: Pick<AdminAct, 'actor' | 'key'>,
): Promise<void> {
  const noted = audited(
    { ...act, action: 'revoke', target: userId },
    {
      before: sql`jsonb_build_object('key', id, 'name', name, 'tail', tail)`,
      from: sql`from api_keys where id = ${id}::uuid and user_id = ${userId}::uuid and revoked_at is null`,
    },
  )
  await core.database.rows(sql`
    with noted as (${noted})
    update api_keys set revoked_at = now() where id = ${id}::uuid and exists (select from noted)`)
}

const held = columnsOf(
  {
    userId: apiKeys.userId,
    keyId: apiKeys.id,
    models: apiKeys.models,
    monthlyCap: apiKeys.monthlyCap,
    identities: typed<string[]>(
      sql`(select coalesce(jsonb_agg(i.id), '[]') from identities i where i.user_id = k.user_id)`,
    ),
  },
  'k',
)

/**
 * Resolves to undefined for an unknown or revoked key. `operatorKey`: the setting API_KEY; the operator's account is created
 * at its first use.
 */
export async function findKeyHolder(
  core: Core,
  presented: string,
  operatorKey: string | undefined,
): Promise<KeyHolder | undefined> {
  const hash = hashOf(presented)
  if (operatorKey !== undefined && timingSafeEqual(hash, hashOf(operatorKey))) {
    // no person acts as this identity, so no one joins its account with another
    const userId = await rememberedAccountOf(core, { id: operatorIdentity, name: 'operator' })
    return { userId, keyId: null, admin: true, adminAs: operatorIdentity, models: null }
  }
  const [row] = await readRows(
    core.database,
    held,
    (columns) => sql`
      with used as (
        update api_keys set used_at = now()
        where hash = ${hash.toString('hex')} and revoked_at is null
          and (used_at is null or used_at < now() - interval '1 minute'))
      select ${columns} from api_keys k where k.hash = ${hash.toString('hex')} and k.revoked_at is null`,
  )
  if (!row) return undefined
  const { identities, monthlyCap, ...holder } = row
  // a key with limits of its own gets no admin rights, which would lift the limits
  const limited = row.models !== null || monthlyCap !== null
  const adminAs = limited ? undefined : identities.find((identity) => core.isAdmin(identity))
  return { ...holder, admin: adminAs !== undefined, ...(adminAs !== undefined && { adminAs }) }
}

/** A plain hash is enough: a key has 256 random bits, so neither guessing nor the timing of the look-up reveals one. */
function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}

/** As the table has it. */
export const apiKeyHash = (key: string) => hashOf(key).toString('hex')

/** Throws AppError bad_option, unknown_model. */
function checkLimits(core: Core, { monthlyCap, models }: NewKey): void {
  if (monthlyCap !== undefined && !(Number.isInteger(monthlyCap) && monthlyCap >= 1 && monthlyCap <= largestCap)) {
    throw new AppError('bad_option', { name: 'cap', value: monthlyCap, expected: `1–${largestCap}` })
  }
  const available = core.models.all().map(({ id }) => id)
  const unknown = models?.find((model) => !available.includes(model))
  if (unknown !== undefined) throw new AppError('unknown_model', { name: unknown, available })
}

const capColumns = columnsOf({ limit: apiKeys.monthlyCap, spent: typed<number>(spentThisMonth) })

/** The ledger trigger counts what the key has spent (drizzle/0003_api.sql), in the statement that was refused. */
export async function capRefusal(core: Core, keyId: string | null): Promise<AppError> {
  const [key] = await readRows(
    core.database,
    capColumns,
    (list) => sql`select ${list} from api_keys where id = ${keyId}::uuid`,
  )
  return new AppError('cap_reached', { limit: key?.limit ?? undefined, spent: key?.spent })
}
