/** Changes of a group's rules, by people who manage it. Each is one statement, so that two at once lose nothing. */
import { sql } from 'drizzle-orm'
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

/**
 * 'a, b' or 'all'. A default of the group that may not draw any more is reset. Throws AppError unknown_model, model_off.
 */
export async function ruleModels(core: Core, chat: string, written: string): Promise<void> {
  const models = written.trim().toLowerCase() === allModels ? null : modelsIn(core, written)
  const listed = models === null ? null : JSON.stringify(models)
  await core.database.rows(sql`
    with defaults as (
      update chat_settings set model = null, changed_at = now()
      where chat = ${chat} and not ${listed}::jsonb @> to_jsonb(model))
    insert into chat_rules (chat, models) values (${chat}, ${listed}::jsonb)
    on conflict (chat) do update set models = excluded.models, changed_at = now()`)
}

function modelsIn({ models }: Core, written: string): string[] {
  const all = models.all()
  const named = written.split(/[\s,，、]+/).filter((name) => name !== '')
  const found = named.map((name) => {
    const model = findModel(all, name)
    if (model.tool) throw new AppError('unknown_model', { name, available: drawing(all).map(({ id }) => id) })
    return model.id
  })
  if (found.length === 0) {
    throw new AppError('bad_option', { name: 'models', value: written, expected: drawing(all)[0]?.id ?? allModels })
  }
  return [...new Set(found)]
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
