/** Changes of a group's rules, by people who manage it. Each is one statement, so that two at once lose nothing. */
import { type SQL, sql } from 'drizzle-orm'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { drawing, findModel } from '../request/choose-model.ts'

/** Channels that a group may name. */
const maxChannels = 100

interface ChannelRule {
  /** Absent: all channels that are named. */
  channel?: string
  /** null: the channel is not named any more. */
  works: boolean | null
}

/** Throws AppError bad_option for more channels than a group may name. */
export async function ruleChannel({ database }: Core, chat: string, { channel, works }: ChannelRule): Promise<void> {
  if (works === null) {
    await database.rows(
      channel === undefined
        ? sql`update chat_rules set channels = '{}'::jsonb, changed_at = now() where chat = ${chat}`
        : sql`update chat_rules set channels = channels - ${channel}::text, changed_at = now() where chat = ${chat}`,
    )
    return
  }
  if (channel === undefined) throw new AppError('bad_option', { name: 'channel', value: '', expected: '#…' })
  const saved = await database.rows(sql`
    insert into chat_rules as r (chat, channels) values (${chat}, jsonb_build_object(${channel}::text, ${works}::bool))
    on conflict (chat) do update set channels = r.channels || excluded.channels, changed_at = now()
      where r.channels ? ${channel}::text or (select count(*) from jsonb_object_keys(r.channels)) < ${maxChannels}::int
    returning chat`)
  if (saved.length === 0) {
    throw new AppError('bad_option', { name: 'channel', value: channel, expected: `≤ ${maxChannels}` })
  }
}

/** Every model again. */
export const allModels = 'all'

/** The models that may draw; null: all. */
export async function ruleModels(core: Core, chat: string, models: readonly string[] | null): Promise<void> {
  const listed = models === null ? null : JSON.stringify(models)
  await saveModels(
    core,
    chat,
    sql`
      insert into chat_rules (chat, models) values (${chat}, ${listed}::jsonb)
      on conflict (chat) do update set models = excluded.models, changed_at = now()`,
  )
}

interface ModelRule {
  /** Id or alias. */
  model: string
  draws: boolean
}

/**
 * Allows or forbids one model; concurrent changes all count. A rule that allows every model is removed. A repeated call changes
 * nothing. Throws AppError unknown_model, model_off, and last_model where no other model draws.
 */
export async function ruleModel(core: Core, chat: string, { model: name, draws }: ModelRule): Promise<void> {
  const id = drawingId(core, name)
  const all = JSON.stringify(drawing(core.models.all()).map((model) => model.id))
  const after = (before: SQL) =>
    draws
      ? sql`(case when ${before} @> to_jsonb(${id}::text) then ${before} else ${before} || to_jsonb(${id}::text) end)`
      : sql`(${before} - ${id}::text)`
  const ruled = (models: SQL) => sql`case when not ${models} @> ${all}::jsonb then ${models} end`
  const oneDraws = (models: SQL) => sql`${models} ?| array(select jsonb_array_elements_text(${all}::jsonb))`
  const first = after(sql`${all}::jsonb`)
  const changed = after(sql`coalesce(r.models, ${all}::jsonb)`)
  const saved = await saveModels(
    core,
    chat,
    sql`
      insert into chat_rules as r (chat, models) select ${chat}, ${ruled(first)} where ${oneDraws(first)}
      on conflict (chat) do update set models = ${ruled(changed)}, changed_at = now() where ${oneDraws(changed)}`,
  )
  if (saved.length === 0) throw new AppError('last_model', { model: id })
}

/** A default of the group that may not draw any more is reset. The rows that were saved. */
const saveModels = ({ database }: Core, chat: string, saving: SQL) =>
  database.rows(sql`
    with saved as (${saving} returning models),
    defaults as (
      update chat_settings set model = null, changed_at = now()
      where chat = ${chat} and exists (select from saved where not saved.models @> to_jsonb(chat_settings.model)))
    select models from saved`)

/** 'a, b' or 'all', which is null. Throws AppError unknown_model, model_off, bad_option. */
export function modelsIn(core: Core, written: string): string[] | null {
  if (written.trim().toLowerCase() === allModels) return null
  const named = written.split(/[\s,，、]+/).filter((name) => name !== '')
  if (named.length === 0) {
    const [usual] = drawing(core.models.all())
    throw new AppError('bad_option', { name: 'models', value: written, expected: usual?.id ?? allModels })
  }
  return [...new Set(named.map((name) => drawingId(core, name)))]
}

function drawingId({ models }: Core, name: string): string {
  const all = models.all()
  const model = findModel(all, name)
  if (model.tool) throw new AppError('unknown_model', { name, available: drawing(all).map(({ id }) => id) })
  return model.id
}

export async function ruleNsfw({ database }: Core, chat: string, nsfw: boolean): Promise<void> {
  await database.rows(sql`
    insert into chat_rules (chat, nsfw) values (${chat}, ${nsfw})
    on conflict (chat) do update set nsfw = excluded.nsfw, changed_at = now()`)
}

/** Roles that a group may give credits to. */
const maxRoles = 50

interface DailyRole {
  role: string
  name: string
  /** A day. 0: none. */
  credits: number
}

/** Throws AppError bad_option for more credits than the service gives to roles, or more roles than a group may name. */
export async function ruleRole(core: Core, chat: string, { role, name, credits }: DailyRole): Promise<void> {
  const { roleCredits: limit } = core.limits
  if (credits > limit) throw new AppError('bad_option', { name: 'credits', value: credits, expected: `0–${limit}` })
  if (credits === 0) {
    await core.database.rows(
      sql`update chat_rules set roles = roles - ${role}::text, changed_at = now() where chat = ${chat}`,
    )
    return
  }
  const saved = await core.database.rows(sql`
    insert into chat_rules as r (chat, roles)
    values (${chat}, jsonb_build_object(${role}::text, ${JSON.stringify({ name, credits })}::jsonb))
    on conflict (chat) do update set roles = r.roles || excluded.roles, changed_at = now()
      where r.roles ? ${role}::text or (select count(*) from jsonb_object_keys(r.roles)) < ${maxRoles}::int
    returning chat`)
  if (saved.length === 0) throw new AppError('bad_option', { name: 'role', value: name, expected: `≤ ${maxRoles}` })
}

/** `cap`: credits that a member may draw on the pool a day. 0: none. */
export async function rulePool({ database }: Core, chat: string, cap: number): Promise<void> {
  await database.rows(sql`
    insert into chat_rules (chat, pool_cap) values (${chat}, nullif(${cap}::int, 0))
    on conflict (chat) do update set pool_cap = excluded.pool_cap, changed_at = now()`)
}
