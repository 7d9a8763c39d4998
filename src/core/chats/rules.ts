/** Rules of a group: where in it the bot works, and which models draw there. */
import { sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { chatRules, type RoleRule } from '../../db/schema/settings.ts'
import type { Candidate, Core, Rule } from '../core.ts'
import { AppError } from '../errors.ts'
import type { Call, Place } from '../ports/chat.ts'

export interface GroupRules {
  /** Channel → whether the bot works there. */
  channels: Readonly<Record<string, boolean>>
  /** Ids of the models that may draw. null: all. */
  models: readonly string[] | null
  nsfw: boolean
  /** By role. */
  roles: Readonly<Record<string, RoleRule>>
}

export const noRules: GroupRules = { channels: {}, models: null, nsfw: false, roles: {} }

type Where = { surface: string; place?: Place }

/** The name of a group in `chat_settings` and `chat_rules`. undefined: a private chat, or none. */
export const chatOf = ({ surface, place }: Where): string | undefined => place?.group && `${surface}:${place.group.id}`

export const rulesColumns = columnsOf({
  channels: chatRules.channels,
  models: typed<readonly string[] | null>(chatRules.models),
  nsfw: chatRules.nsfw,
  roles: chatRules.roles,
})

export async function readRules({ database }: Pick<Core, 'database'>, chat: string): Promise<GroupRules> {
  const [rules] = await readRows(
    database,
    rulesColumns,
    (list) => sql`select ${list} from chat_rules where chat = ${chat}`,
  )
  return rules ?? noRules
}

/** A thread counts with its channel, unless it is named itself. Where channels are named in which the bot works, it works in no other. */
export function worksIn({ channels }: Pick<GroupRules, 'channels'>, { channel, parent }: Place): boolean {
  const own = channels[channel] ?? (parent === undefined ? undefined : channels[parent])
  return own ?? !Object.values(channels).includes(true)
}

/** Throws AppError not_here. */
export function assertWorksIn(
  { surfaces }: Pick<Core, 'surfaces'>,
  { surface, place }: Pick<Call, 'surface' | 'place'>,
  rules: Pick<GroupRules, 'channels'>,
): void {
  const { group } = place
  if (!group || worksIn(rules, place)) return
  const open = Object.entries(rules.channels).flatMap(([id, isOn]) => (isOn ? [id] : []))
  const link = (id: string) => surfaces.get(surface)?.channelLink?.(group.id, id) ?? id
  throw new AppError('not_here', { available: open.map(link) })
}

/** Refuses a request in a channel where the bot does not work, and one for a model that may not draw in the group. */
export const groupRule: Rule = async (core, { surface, place, request }) => {
  const chat = chatOf({ surface, place })
  if (!chat || !place) return undefined
  const rules = await readRules(core, chat)
  try {
    assertWorksIn(core, { surface, place }, rules)
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
  if (rules.models === null || isTool(core, request) || rules.models.includes(request.model)) return undefined
  return new AppError('model_not_here', { model: request.model, available: rules.models })
}

/** Tools enlarge pictures and the like; the list of models is about those that draw. */
const isTool = ({ models }: Pick<Core, 'models'>, { model }: Candidate['request']): boolean =>
  models.all().find(({ id }) => id === model)?.tool === true

/** What the statement that accepts requests has to know of each, in columns of those names. */
export const ruleFacts = (core: Pick<Core, 'models'>, { surface, place, request }: Candidate) => ({
  chat: chatOf({ surface, place }),
  channel: place?.channel,
  thread: place?.parent,
  isTool: isTool(core, request),
  isAdult: place?.nsfw ?? false,
})

export const ruleColumns = sql`chat text, channel text, thread text, "isTool" bool, "isAdult" bool`

/**
 * The rules of the groups of `calls`, for the CTE `rules`: the lock makes a change of the rules wait for the request, or the request for
 * the change.
 */
export const lockedRules = sql`
  select * from chat_rules where chat in (select calls.chat from calls) order by chat for share`

/** Whether the rules in the CTE `rules` allow a request of `calls`. A group without rules has no row there. */
export const rulesAllow = sql`not exists (
  select from rules where rules.chat = calls.chat and not (
    coalesce((channels->>coalesce(calls.channel, ''))::bool, (channels->>coalesce(calls.thread, ''))::bool,
      not jsonb_path_exists(channels, '$.* ? (@ == true)'))
    and (calls."isTool" or models is null or models @> to_jsonb(calls.model))))`

/** For the request of the accepting statement: whether pictures that a provider flags may be shown. */
export const adultIn = sql`case when calls."isAdult" and (select nsfw from rules where rules.chat = calls.chat)
  then '{"adult": true}'::jsonb else '{}'::jsonb end`

/** Whether pictures that a provider flagged may be shown there: in age-restricted channels of groups that allow it. */
export async function showsFlagged(
  core: Pick<Core, 'database'>,
  { surface, place }: Required<Where>,
): Promise<boolean> {
  const chat = chatOf({ surface, place })
  return chat !== undefined && place.nsfw && (await readRules(core, chat)).nsfw
}
