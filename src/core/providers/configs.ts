/** Stored provider configurations: keys go in and never come out again, except to the provider itself. */
import { sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import { type Database, type Db, violates } from '../../db/database.ts'
import { AppError } from '../errors.ts'
import { isId } from '../ids.ts'
import { seal, unseal } from './seal.ts'

/** What an operator sees. */
export interface ProviderConfig {
  id: string
  provider: string
  name: string
  baseUrl: string | null
  /** The last four characters, for recognising it; null: there is none; '????': sealed under another SECRET_KEY. */
  keyEnd: string | null
  enabled: boolean
  active: boolean
  timeoutSeconds: number | null
  maxConcurrent: number | null
  defaultModel: string | null
}

/** Absent: unchanged, or the default of a new one. `key: null` takes a key away. */
export interface ConfigChange {
  name?: string
  baseUrl?: string | null
  key?: string | null
  enabled?: boolean
  /** Makes it the one that is used; the provider's others are not, then. */
  active?: boolean
  timeoutSeconds?: number | null
  maxConcurrent?: number | null
  defaultModel?: string | null
}

/** A configuration with its key. Never leaves this process. */
export interface OpenConfig extends Omit<ProviderConfig, 'keyEnd'> {
  /** undefined: there is none. 'unreadable': sealed under another SECRET_KEY. */
  key: string | 'unreadable' | undefined
}

interface Vault {
  database: Database
  secretKey: Buffer
}

type Row = Omit<ProviderConfig, 'keyEnd'> & { sealedKey: string | null }

/** Processes look again when they hear this; whoever misses it looks every few seconds anyway. */
export const configsChanged = 'fluxbot_configs'

export async function openConfigs({ database, secretKey }: Vault): Promise<OpenConfig[]> {
  const rows = await database.rows<Row>(sql`
    select id, provider, name, base_url as "baseUrl", sealed_key as "sealedKey", enabled, active,
      timeout_seconds as "timeoutSeconds", max_concurrent as "maxConcurrent", default_model as "defaultModel"
    from provider_configs order by provider, created_at, id`)
  return rows.map(({ sealedKey, ...row }) => {
    const key = sealedKey === null ? undefined : (unseal(secretKey, row.id, sealedKey) ?? 'unreadable')
    return { ...row, key }
  })
}

export async function listConfigs(vault: Vault): Promise<ProviderConfig[]> {
  return (await openConfigs(vault)).map(({ key, ...config }) => ({ ...config, keyEnd: endOf(key) }))
}

/** Resolves to its id. The first of a provider becomes the active one. Throws AppError bad_option. */
export async function addConfig(vault: Vault, provider: string, change: ConfigChange): Promise<string> {
  checkChange(change)
  const id = uuidv7()
  const { name = provider, baseUrl, key, enabled = true, timeoutSeconds, maxConcurrent, defaultModel } = change
  const insert = sql`
    insert into provider_configs (id, provider, name, base_url, sealed_key, enabled, active, timeout_seconds,
      max_concurrent, default_model)
    values (${id}, ${provider}, ${name}, ${baseUrl ?? null}, ${key ? seal(vault.secretKey, id, key) : null}, ${enabled},
      not exists (select from provider_configs where provider = ${provider}), ${timeoutSeconds ?? null}::int,
      ${maxConcurrent ?? null}::int, ${defaultModel ?? null})`
  await oneByOne(vault, async (tx) => {
    await vault.database.rows(insert, tx)
    if (change.active) await activate(vault, tx, id)
  })
  await tellAll(vault)
  return id
}

/** A stored key is for the address it was stored with: another needs it again. Throws AppError bad_option, unknown_config. */
export async function changeConfig(vault: Vault, id: string, change: ConfigChange): Promise<void> {
  checkChange(change)
  if (!isId(id)) throw new AppError('unknown_config', { id })
  const { name, baseUrl, key, enabled, timeoutSeconds, maxConcurrent, defaultModel } = change
  const set = [
    ...(name === undefined ? [] : [sql`name = ${name}`]),
    ...(baseUrl === undefined ? [] : [sql`base_url = ${baseUrl}`]),
    ...(key === undefined ? [] : [sql`sealed_key = ${key === null ? null : seal(vault.secretKey, id, key)}`]),
    ...(enabled === undefined ? [] : [sql`enabled = ${enabled}`]),
    ...(change.active === false ? [sql`active = false`] : []),
    ...(timeoutSeconds === undefined ? [] : [sql`timeout_seconds = ${timeoutSeconds}::int`]),
    ...(maxConcurrent === undefined ? [] : [sql`max_concurrent = ${maxConcurrent}::int`]),
    ...(defaultModel === undefined ? [] : [sql`default_model = ${defaultModel}`]),
    sql`updated_at = now()`,
  ]
  await oneByOne(vault, async (tx) => {
    const [before] = await vault.database.rows<{ baseUrl: string | null; hasKey: boolean }>(
      sql`
        select base_url as "baseUrl", sealed_key is not null as "hasKey" from provider_configs where id::text = ${id}`,
      tx,
    )
    if (!before) throw new AppError('unknown_config', { id })
    const moved = baseUrl !== undefined && originsOf(baseUrl) !== originsOf(before.baseUrl)
    if (moved && before.hasKey && key === undefined) {
      throw new AppError('bad_option', { name: 'key', value: '', expected: 'the key for the new address' })
    }
    await vault.database.rows(sql`update provider_configs set ${sql.join(set, sql`, `)} where id::text = ${id}`, tx)
    if (change.active) await activate(vault, tx, id)
  })
  await tellAll(vault)
}

/** Throws AppError unknown_config. */
export async function removeConfig(vault: Vault, id: string): Promise<void> {
  if (!isId(id)) throw new AppError('unknown_config', { id })
  const rows = await vault.database.rows(sql`delete from provider_configs where id::text = ${id} returning id`)
  if (rows.length === 0) throw new AppError('unknown_config', { id })
  await tellAll(vault)
}

/** Seals every key anew after SECRET_KEY was changed; resolves to how many. Those that neither key opens stay. */
export async function resealConfigs({ database, secretKey }: Vault, oldKey: Buffer): Promise<number> {
  const rows = await database.rows<{ id: string; sealedKey: string }>(
    sql`select id, sealed_key as "sealedKey" from provider_configs where sealed_key is not null`,
  )
  const opened = rows.flatMap(({ id, sealedKey }) => {
    const key = unseal(oldKey, id, sealedKey)
    return key === undefined ? [] : [{ id, sealedKey, key }]
  })
  for (const { id, sealedKey, key } of opened) {
    await database.rows(sql`
      update provider_configs set sealed_key = ${seal(secretKey, id, key)} where id = ${id} and sealed_key = ${sealedKey}`)
  }
  await tellAll({ database, secretKey })
  return opened.length
}

/** Which one is active is decided by all of a provider's together, so changes come one after the other. */
async function oneByOne({ database }: Vault, change: (tx: Db) => Promise<void>): Promise<void> {
  await checked(
    database.db.transaction(async (tx) => {
      await database.rows(sql`select pg_advisory_xact_lock(hashtext(${configsChanged}))`, tx)
      await change(tx)
    }),
  )
}

/** The index forbids two active ones at any moment, so the old one goes first. */
async function activate({ database }: Vault, tx: Db, id: string): Promise<void> {
  await database.rows(
    sql`update provider_configs set active = false where active and id::text <> ${id}
      and provider = (select provider from provider_configs where id::text = ${id})`,
    tx,
  )
  await database.rows(sql`update provider_configs set active = true where id::text = ${id}`, tx)
}

/** Who would be told the key. null: the provider's own address. */
function originsOf(baseUrl: string | null): string {
  const origins = baseUrl?.split(',').map((each) => (URL.canParse(each) ? new URL(each).origin : each)) ?? []
  return [...new Set(origins)].sort().join()
}

/** Throws AppError bad_option for what no provider could use. */
export function checkChange({ name, baseUrl, key, defaultModel }: ConfigChange): void {
  for (const [field, text] of Object.entries({ name, url: baseUrl, key, default_model: defaultModel })) {
    // the database keeps no such text
    if (text?.includes('\0')) throw new AppError('bad_option', { name: field, value: '', expected: 'text' })
  }
  for (const each of baseUrl?.split(',') ?? []) {
    if (/^https?:$/.test(URL.canParse(each) ? new URL(each).protocol : '')) continue
    throw new AppError('bad_option', { name: 'url', value: each.split('@').at(-1), expected: 'https://…' })
  }
  if (key === '') throw new AppError('bad_option', { name: 'key', value: '', expected: 'a key' })
}

async function checked<T>(rows: Promise<T>): Promise<T> {
  return rows.catch((error: unknown) => {
    if (violates(error, 'provider_configs_timeout')) {
      throw new AppError('bad_option', { name: 'timeout', value: '', expected: '1–3600' })
    }
    if (violates(error, 'provider_configs_concurrency')) {
      throw new AppError('bad_option', { name: 'concurrency', value: '', expected: '1–1000' })
    }
    throw error
  })
}

async function tellAll({ database }: Vault): Promise<void> {
  await database.rows(sql`select pg_notify(${configsChanged}, '')`)
}

function endOf(key: OpenConfig['key']): string | null {
  if (key === undefined) return null
  if (key === 'unreadable') return '????'
  // of a short key four characters would be too much of it
  return key.length >= 12 ? key.slice(-4) : '…'
}
