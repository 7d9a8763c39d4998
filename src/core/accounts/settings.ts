/** Settings of people and of groups: a person's own come first, then the group's, then the service's. */
import { type SQL, sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { chatSettings, type EnhanceSetting, userSettings } from '../../db/schema/settings.ts'
import { allLanguages } from '../../locales/index.ts'
import { chatOf, type GroupRules, noRules, readRules } from '../chats/rules.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import type { Call } from '../ports/chat.ts'
import { checkParams, isSetUp, upTo } from '../request/check.ts'
import {
  defaultModel,
  drawing,
  findModel,
  inputsNeeded,
  offeredAspects,
  offeredCount,
  takenWith,
} from '../request/choose-model.ts'
import { accountOf } from './accounts.ts'

export interface Settings {
  /** Id of the model for requests that name none. */
  model: string
  aspect: string
  count: number
  enhance: EnhanceSetting
  /** Whether only the person sees the pictures. */
  private: boolean
  language: string
  /** Whether the stored files are sent after a result. */
  original: boolean
  /** Whether the person gets broadcasts. Groups do not have it. */
  announcements: boolean
}

export type SettingName = keyof Settings

export const settingNames = [
  'model',
  'aspect',
  'count',
  'enhance',
  'private',
  'language',
  'original',
  'announcements',
] as const satisfies SettingName[]

/** What a person or a group has set. Absent: not set. */
export type Chosen = Partial<Settings>

/** null: reset to the default. Absent: unchanged. */
export type Changes = { readonly [Name in SettingName]?: Settings[Name] | null }

export interface SettingsInForce {
  person: Chosen
  /** Settings of the group. Empty in a private chat. */
  chat: Chosen
  /** The person's, then the group's. Absent: the service's default applies. */
  chosen: InForce
  /** Rules of the group. */
  rules: GroupRules
}

/** Settings in force, of which none breaks a rule of the group. */
export interface InForce extends Chosen {
  /** Ids of the models that may draw in the group. Absent: all. */
  allowed?: readonly string[]
}

export type Origin = 'person' | 'chat' | 'service'

/** Whose settings: those of a person, or of a group. */
export type Holder = { userId: string } | { chat: string }

/** Where they are changed. */
export type Changing = Holder & {
  /** The group where a person changes their own. */
  within?: string
  /** The models that may draw there from now on; null: all. Absent: this stays as it is. */
  rule?: readonly string[] | null
}

type Where = Pick<Call, 'surface' | 'from' | 'place'>

const columns = columnsOf({
  person: typed<Partial<StoredSettings> | null>(sql`to_jsonb(u)`),
  chat: typed<Partial<StoredSettings> | null>(sql`to_jsonb(c)`),
  rules: typed<GroupRules | null>(sql`to_jsonb(r)`),
})

type StoredSettings = { [Name in SettingName]: Settings[Name] | null }

/** Read for each call, so that a change counts in every process at once. It opens no account. */
export async function readSettings({ database }: Pick<Core, 'database'>, where: Where): Promise<SettingsInForce> {
  const group = chatOf(where) ?? null
  const [row] = await readRows(
    database,
    columns,
    (list) => sql`
      select ${list} from (select 1) one
      left join user_settings u on u.user_id = (select user_id from identities where id = ${where.from.id})
      left join chat_settings c on c.chat = ${group} left join chat_rules r on r.chat = ${group}`,
  )
  const [person, chat, rules] = [setIn(row?.person), setIn(row?.chat), row?.rules ?? noRules]
  return { person, chat, rules, chosen: inForce({ person, chat, rules }) }
}

export const isAllowed = ({ allowed }: Pick<InForce, 'allowed'>, { id }: { id: string }): boolean =>
  allowed === undefined || allowed.includes(id)

/** The model for requests that name none, if no setting names one. */
export function usualModel(core: Checking, { model, allowed }: InForce): string {
  return model ?? (allowed ? defaultModel(core, allowed, { images: 0, words: true }) : core.models.preferred())
}

/** A model that may not draw in the group is no default there. */
function inForce({ person, chat, rules: { models } }: Omit<SettingsInForce, 'chosen'>): InForce {
  if (models === null) return { ...chat, ...person }
  const [own, common] = [person, chat].map(({ model, ...others }) =>
    model === undefined || !models.includes(model) ? others : { ...others, model },
  )
  return { ...common, ...own, allowed: models }
}

export function originOf({ person, chat, chosen }: Omit<SettingsInForce, 'rules'>, name: SettingName): Origin {
  if (chosen[name] === undefined) return 'service'
  return person[name] === chosen[name] ? 'person' : chat[name] === undefined ? 'service' : 'chat'
}

/** The holder of a person's own settings. */
export const personHolding = async (core: Core, { from }: Pick<Call, 'from'>): Promise<{ userId: string }> => ({
  userId: await accountOf(core, from),
})

/**
 * Checks the changes, and saves all of them or none. Repeating it changes nothing. Throws AppError unknown_model,
 * provider_missing, unknown_ratio, bad_option, enhancer_missing, own_only, model_not_here.
 */
export async function saveSettings(core: Core, holder: Changing, changes: Changes): Promise<Chosen> {
  if ('chat' in holder && changes.announcements !== undefined) throw new AppError('own_only', { name: 'announcements' })
  const before = setIn(await storedFor(core, holder))
  const checked = checkSettings(core, before, changes)
  // a form holds the values that do not change, too
  if (checked.model != null && checked.model !== before.model) await assertAllowed(core, holder, checked.model)
  const set = { ...checked, changedAt: sql`now()` }
  if ('userId' in holder) {
    await core.database.db
      .insert(userSettings)
      .values({ userId: holder.userId, ...checked })
      .onConflictDoUpdate({ target: userSettings.userId, set })
  } else {
    await core.database.db
      .insert(chatSettings)
      .values({ chat: holder.chat, ...checked })
      .onConflictDoUpdate({ target: chatSettings.chat, set })
  }
  return setIn({ ...before, ...checked })
}

/** A person's default may be a model that draws in other chats only, but is not chosen here. Throws AppError model_not_here. */
async function assertAllowed(core: Core, holder: Changing, model: string): Promise<void> {
  const group = 'chat' in holder ? holder.chat : holder.within
  if (group === undefined) return
  const models = holder.rule === undefined ? (await readRules(core, group)).models : holder.rule
  if (models !== null && !models.includes(model)) throw new AppError('model_not_here', { model, available: models })
}

type Checking = Pick<Core, 'models' | 'providers' | 'enhancer'>

/**
 * The changes with the model's own id. A model, ratio and count of one holder have to fit together: otherwise one of them would
 * never apply.
 */
export function checkSettings(core: Checking, before: Chosen, changes: Changes): Changes {
  const { enhance, language } = changes
  const model = changes.model == null ? changes.model : usableModel(core, changes.model)
  if ((enhance === 'on' || enhance === 'ask') && !core.enhancer) {
    throw new AppError('enhancer_missing', { name: 'enhance' })
  }
  if (language != null && !languages.includes(language)) {
    throw new AppError('bad_option', { name: 'language', value: language, expected: languages.join(', ') })
  }
  const checked = model === undefined ? changes : { ...changes, model }
  if (changes.model != null || changes.aspect != null || changes.count != null) {
    checkFit(core, setIn({ ...before, ...checked }))
  }
  return checked
}

const languages: readonly string[] = allLanguages.map(([name]) => name)

function usableModel(core: Checking, name: string): string {
  const model = findModel(core.models.all(), name)
  if (model.tool)
    throw new AppError('unknown_model', { name, available: drawing(core.models.all()).map(({ id }) => id) })
  if (!model.routes.some(({ provider }) => isSetUp(core, provider))) {
    throw new AppError('provider_missing', { model: model.title })
  }
  return model.id
}

/** Without a model of the same holder, any model will do: requests go to the first that can serve them. */
function checkFit(core: Checking, { model: id, aspect, count }: Chosen): void {
  if (id !== undefined) {
    const model = core.models.all().find((each) => each.id === id)
    if (model) checkWith(core, model, { aspect, count })
    return
  }
  const models = core.models.all()
  const available = offeredAspects(models)
  if (aspect !== undefined && !available.includes(aspect)) {
    throw new AppError('bad_option', { name: 'ratio', value: aspect, expected: available.join(', ') })
  }
  const most = offeredCount(models)
  if (count !== undefined && !(Number.isInteger(count) && count >= 1 && count <= most)) {
    throw new AppError('bad_option', { name: 'count', value: count, expected: upTo(most) })
  }
}

function checkWith(core: Checking, model: ReturnType<typeof findModel>, { aspect, count }: Chosen): void {
  const images = Math.min(...model.routes.map(({ takes }) => takes.images.min))
  const takes = takenWith(core, model, inputsNeeded(model, images))
  const prompt = takes.prompt === 'none' ? '' : '-'
  checkParams({ model, takes }, { prompt, aspect, count }, images)
}

async function storedFor(core: Core, holder: Holder): Promise<Partial<StoredSettings> | null | undefined> {
  const from: SQL =
    'userId' in holder
      ? sql`user_settings s where user_id = ${holder.userId}::uuid`
      : sql`chat_settings s where chat = ${holder.chat}`
  const [row] = await readRows(core.database, storedColumns, (list) => sql`select ${list} from ${from}`)
  return row?.stored
}

const storedColumns = columnsOf({ stored: typed<Partial<StoredSettings>>(sql`to_jsonb(s)`) })

/** Without what is not set, and without the other columns. */
function setIn(stored: Partial<StoredSettings> | null | undefined): Chosen {
  return Object.fromEntries(settingNames.flatMap((name) => (stored?.[name] == null ? [] : [[name, stored[name]]])))
}
