/** Stored provider configurations. Their keys are write-only: only the provider's client gets them in plain. */
import { sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import type { Database, Db } from '../../db/database.ts'
import type { Json } from '../../db/json.ts'
import { providerConfigs } from '../../db/schema/operation.ts'
import { actOnce, audited } from '../accounts/audit.ts'
import { AppError } from '../errors.ts'
import { isId } from '../ids.ts'
import { keyIdOf, seal, unseal } from './seal.ts'

/** A configuration as operators see it. */
export interface ProviderConfig {
  id: string
  provider: string
  name: string
  baseUrl: string | null
  /** The last four characters of the key. null: no key. '????': sealed with another SECRET_KEY. */
  keyEnd: string | null
  enabled: boolean
  active: boolean
  timeoutSeconds: number | null
  maxConcurrent: number | null
  defaultModel: string | null
}

/** Absent fields stay as they are, or get the defaults of a new configuration. `key: null` removes the key. */
export interface ConfigChange {
  name?: string
  baseUrl?: string | null
  key?: string | null
  enabled?: boolean
  /** true makes it the one that is used, instead of the provider's other configurations. */
  active?: boolean
  timeoutSeconds?: number | null
  maxConcurrent?: number | null
  defaultModel?: string | null
}

/** A configuration with its key. It must not leave this process. */
export interface OpenConfig extends Omit<ProviderConfig, 'keyEnd'> {
  /** undefined: no key. 'unreadable': sealed with another SECRET_KEY. */
  key: string | 'unreadable' | undefined
}

interface Vault {
  database: Database
  secretKey: Buffer
}

/** `actor`: who changes it, for the audit log. */
interface Editor extends Vault {
  actor: string
}

/** Notification after each change. Processes then read the configurations again; they also do so every few seconds. */
export const configsChanged = 'fluxbot_configs'

const stored = columnsOf({
  id: providerConfigs.id,
  provider: providerConfigs.provider,
  name: providerConfigs.name,
  baseUrl: providerConfigs.baseUrl,
  sealedKey: providerConfigs.sealedKey,
  enabled: providerConfigs.enabled,
  active: providerConfigs.active,
  timeoutSeconds: providerConfigs.timeoutSeconds,
  maxConcurrent: providerConfigs.maxConcurrent,
  defaultModel: providerConfigs.defaultModel,
})

export async function openConfigs({ database, secretKey }: Vault): Promise<OpenConfig[]> {
  const rows = await readRows(
    database,
    stored,
    (columns) => sql`select ${columns} from provider_configs order by provider, created_at, id`,
  )
  return rows.map(({ sealedKey, ...row }) => {
    const key = sealedKey === null ? undefined : (unseal(secretKey, row.id, sealedKey) ?? 'unreadable')
    return { ...row, key }
  })
}

export async function listConfigs(vault: Vault): Promise<ProviderConfig[]> {
  return (await openConfigs(vault)).map(({ key, ...config }) => ({ ...config, keyEnd: endOf(key) }))
}

/** Resolves to the id. A provider's first configuration becomes active. Throws AppError bad_option. */
export async function addConfig(vault: Editor, provider: string, change: ConfigChange): Promise<string> {
  checkChange(change)
  const id = uuidv7()
  const { name = provider, baseUrl, key, enabled = true, timeoutSeconds, maxConcurrent, defaultModel } = change
  const insert = sql`
    insert into provider_configs (id, provider, name, base_url, sealed_key, enabled, active, timeout_seconds,
      max_concurrent, default_model)
    values (${id}, ${provider}, ${name}, ${baseUrl ?? null}, ${key ? seal(vault.secretKey, id, key) : null}, ${enabled},
      ${change.active !== false} and not exists (select from provider_configs where provider = ${provider}), ${timeoutSeconds ?? null}::int,
      ${maxConcurrent ?? null}::int, ${defaultModel ?? null})`
  await serialised(vault, async (tx) => {
    await vault.database.rows(insert, tx)
    if (change.active) await activate(vault, tx, id)
    const act = actOnce(vault.actor, 'config add', id)
    await vault.database.rows(audited(act, { after: recordOf(await readStored(vault, tx, id)) }), tx)
  })
  await notifyProcesses(vault)
  return id
}

/**
 * A stored key belongs to the address it was stored with, so a change of address needs the key again. Throws AppError
 * bad_option, unknown_config.
 */
export async function changeConfig(vault: Editor, id: string, change: ConfigChange): Promise<void> {
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
  await serialised(vault, async (tx) => {
    const before = await readStored(vault, tx, id)
    const moved = baseUrl !== undefined && originsOf(baseUrl) !== originsOf(before.baseUrl)
    if (moved && before.sealedKey !== null && key === undefined) {
      throw new AppError('bad_option', { name: 'key', value: '', expected: 'the key for the new address' })
    }
    await vault.database.rows(sql`update provider_configs set ${sql.join(set, sql`, `)} where id::text = ${id}`, tx)
    if (change.active) await activate(vault, tx, id)
    const after = recordOf(await readStored(vault, tx, id), before)
    const act = actOnce(vault.actor, 'config change', id)
    await vault.database.rows(audited(act, { before: recordOf(before), after }), tx)
  })
  await notifyProcesses(vault)
}

/** Throws AppError unknown_config. */
export async function removeConfig(vault: Editor, id: string): Promise<void> {
  if (!isId(id)) throw new AppError('unknown_config', { id })
  await serialised(vault, async (tx) => {
    const before = recordOf(await readStored(vault, tx, id))
    await vault.database.rows(sql`delete from provider_configs where id::text = ${id}`, tx)
    await vault.database.rows(audited(actOnce(vault.actor, 'config remove', id), { before }), tx)
  })
  await notifyProcesses(vault)
}

type Stored = NonNullable<(typeof stored)['row']>

/** Throws AppError unknown_config. */
async function readStored({ database }: Vault, tx: Db, id: string): Promise<Stored> {
  const [row] = await readRows(
    database,
    stored,
    (columns) => sql`select ${columns} from provider_configs where id::text = ${id}`,
    tx,
  )
  if (!row) throw new AppError('unknown_config', { id })
  return row
}

/**
 * As the audit log keeps it: nothing of the key, and of addresses the origins alone, since the rest may hold a secret. `before`: marks what
 * is hidden and has changed.
 */
function recordOf({ id: _, sealedKey, baseUrl, ...row }: Stored, before?: Stored): Json {
  const key = sealedKey === null ? null : !before || before.sealedKey === sealedKey ? 'set' : 'set anew'
  const url = baseUrl === null ? null : originsOf(baseUrl)
  const moved = before && before.baseUrl !== baseUrl && originsOf(before.baseUrl) === originsOf(baseUrl)
  return { ...row, key, url, ...(moved && { urlChanged: true }) }
}

const sealed = columnsOf({ id: providerConfigs.id, sealedKey: typed<string>(providerConfigs.sealedKey) })

/**
 * Seals the stored keys anew after SECRET_KEY was changed. Resolves to how many. Keys that `oldKey` does not open stay as they
 * are.
 */
export async function resealConfigs({ database, secretKey, actor }: Editor, oldKey: Buffer): Promise<number> {
  const rows = await readRows(
    database,
    sealed,
    (columns) => sql`select ${columns} from provider_configs where sealed_key is not null`,
  )
  const opened = rows.flatMap(({ id, sealedKey }) => {
    const key = unseal(oldKey, id, sealedKey)
    return key === undefined ? [] : [{ id, sealedKey, key }]
  })
  let resealed = 0
  for (const { id, sealedKey, key } of opened) {
    const anew = seal(secretKey, id, key)
    const from = sql`from provider_configs where id = ${id} and sealed_key = ${sealedKey}`
    const change = { before: { sealedWith: keyIdOf(sealedKey) }, after: { sealedWith: keyIdOf(anew) }, from }
    const noted = audited(actOnce(actor, 'config reseal', id), change)
    const changed = await database.rows(sql`
      with noted as (${noted})
      update provider_configs set sealed_key = ${anew}
      where id = ${id} and sealed_key = ${sealedKey} and exists (select from noted) returning id`)
    resealed += changed.length
  }
  await notifyProcesses({ database, secretKey })
  return resealed
}

/** Runs changes one after the other in all processes: which configuration is active depends on all of a provider's. */
async function serialised({ database }: Vault, change: (tx: Db) => Promise<void>): Promise<void> {
  await database.db.transaction(async (tx) => {
    await database.rows(sql`select pg_advisory_xact_lock(hashtext(${configsChanged}))`, tx)
    await change(tx)
  })
}

/** The unique index forbids two active configurations at any moment, so the old one is deactivated first. */
async function activate({ database }: Vault, tx: Db, id: string): Promise<void> {
  await database.rows(
    sql`update provider_configs set active = false where active and id::text <> ${id}
      and provider = (select provider from provider_configs where id::text = ${id})`,
    tx,
  )
  await database.rows(sql`update provider_configs set active = true where id::text = ${id}`, tx)
}

/** The origins that would receive the key. `baseUrl` null: the provider's own address. */
function originsOf(baseUrl: string | null): string {
  const origins = baseUrl?.split(',').map((each) => (URL.canParse(each) ? new URL(each).origin : each)) ?? []
  return [...new Set(origins)].sort().join()
}

/** Limits of the numbers in a configuration, by option. The database has them as well. */
export const configRanges = { timeout: { min: 1, max: 3_600 }, concurrency: { min: 1, max: 1_000 } }

/** Throws AppError bad_option for values that no provider could use. */
export function checkChange({ name, baseUrl, key, defaultModel, timeoutSeconds, maxConcurrent }: ConfigChange): void {
  assertInRange('timeout', timeoutSeconds)
  assertInRange('concurrency', maxConcurrent)
  for (const [field, text] of Object.entries({ name, url: baseUrl, key, default_model: defaultModel })) {
    // Postgres cannot store this character
    if (text?.includes('\0')) throw new AppError('bad_option', { name: field, value: '', expected: 'text' })
  }
  for (const each of baseUrl?.split(',') ?? []) {
    if (/^https?:$/.test(URL.canParse(each) ? new URL(each).protocol : '')) continue
    throw new AppError('bad_option', { name: 'url', value: each.split('@').at(-1), expected: 'https://…' })
  }
  if (key === '') throw new AppError('bad_option', { name: 'key', value: '', expected: 'a key' })
}

function assertInRange(name: keyof typeof configRanges, value: number | null | undefined): void {
  const { min, max } = configRanges[name]
  if ((value ?? null) === null || (Number.isInteger(value) && Number(value) >= min && Number(value) <= max)) return
  throw new AppError('bad_option', { name, value: String(value), type: 'integer', expected: `${min}–${max}` })
}

async function notifyProcesses({ database }: Vault): Promise<void> {
  await database.rows(sql`select pg_notify(${configsChanged}, '')`)
}

function endOf(key: OpenConfig['key']): string | null {
  if (key === undefined) return null
  if (key === 'unreadable') return '????'
  // four characters would reveal too much of a short key
  return key.length >= 12 ? key.slice(-4) : '…'
}
