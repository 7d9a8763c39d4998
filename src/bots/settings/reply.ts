/** Shows the settings in force and where each comes from, and saves changes. Errors use the names that people see. */
import {
  type Changing,
  type InForce,
  isAllowed,
  originOf,
  personHolding,
  readSettings,
  type SettingName,
  type Settings,
  type SettingsInForce,
  saveSettings,
  settingNames,
  usualModel,
} from '../../core/accounts/settings.ts'
import { button } from '../../core/chats/buttons.ts'
import { modelsIn, ruleModels } from '../../core/chats/change-rules.ts'
import { chatOf } from '../../core/chats/rules.ts'
import type { Core } from '../../core/core.ts'
import { AppError } from '../../core/errors.ts'
import type { Call } from '../../core/ports/chat.ts'
import { type Words, wordsFor } from '../../locales/index.ts'
import type { Answer } from '../command.ts'
import type { FieldSpec } from '../form.ts'
import { setsModels } from './models.ts'
import { byDefault, changesIn, possible, type Written } from './values.ts'

/** Which settings a button or a command changes: the person's own, or those of the group. */
export type Whose = 'own' | 'here'

interface Showing {
  core: Core
  call: Call
  settings: SettingsInForce
  whose: Whose
}

interface Look {
  /** The settings have just been changed. */
  saved?: boolean
  /** The person may open the settings of the group from their own. */
  offersGroup?: boolean
}

export function settingsReply(
  { core, call, settings, whose }: Showing,
  { saved = false, offersGroup = false }: Look = {},
): Answer {
  const words = wordsFor(call.locale)
  const texts = words.settings
  const { chat, rules } = settings
  const ofGroup = { ...settings, person: {}, chosen: { ...chat, allowed: rules.models ?? undefined } }
  const shown = whose === 'here' ? ofGroup : settings
  const hasModels = whose === 'here' && setsModels(call)
  // a group gets no announcements
  const names = settingNames.filter((name) => whose === 'own' || name !== 'announcements')
  const keepsFiles = core.surfaces.get(call.surface)?.keepsFiles
  const lines = names.map((name) =>
    name === 'original' && keepsFiles
      ? texts.fixed({ name: texts.names[name], value: texts.filesKept })
      : texts.line({
          name: texts.names[name],
          value: shownValue(core, words, name, shown),
          origin: texts.origins[originOf(shown, name)],
        }),
  )
  const text = [
    ...(saved ? [texts.saved] : []),
    texts.title[whose === 'here' ? 'chat' : 'person'],
    ...lines,
    ...(hasModels ? [words.server.models(rules.models)] : []),
    '',
    ...(whose === 'here' ? [texts.usageOfGroup] : [texts.usage, ...(call.place.group ? [texts.usageHere] : [])]),
    ...(hasModels ? [texts.usageModels] : []),
  ].join('\n')
  const buttons = [
    [button('setpictures', whose), button('setanswers', whose), ...(hasModels ? [button('allowed', 'here')] : [])],
    ...(offersGroup ? [[button('groupsettings', 'here')]] : []),
  ]
  return { locale: call.locale, state: 'info', content: { kind: 'text', text }, buttons, private: true }
}

/**
 * Saves the changes, and shows the settings that are then in force. `models`: those that may draw in
 * the group from now on. Throws AppError as `saveSettings` and `modelsIn` do, and groups_only.
 */
export async function changeSettings(
  { core, call, whose }: Omit<Showing, 'settings'>,
  written: Written,
  models?: string,
): Promise<Answer> {
  try {
    const holder = await holderOf(core, call, whose)
    const rule = models === undefined ? undefined : modelsIn(core, models)
    await saveSettings(core, { ...holder, rule }, changesIn(written))
    if (rule !== undefined && 'chat' in holder) await ruleModels(core, holder.chat, rule)
  } catch (error) {
    throw named(error, wordsFor(call.locale))
  }
  const settings = await readSettings(core, call)
  // a new language applies to this answer already
  const locale = settings.chosen.language ?? call.locale
  return settingsReply({ core, call: { ...call, locale }, settings, whose }, { saved: true })
}

async function holderOf(core: Core, call: Call, whose: Whose): Promise<Changing> {
  const chat = chatOf(call)
  if (whose === 'own') return { ...(await personHolding(core, call)), within: chat }
  if (chat === undefined) throw new AppError('groups_only')
  return { chat }
}

/** Names the setting as people see it: errors about requests would name a flag. */
function named(error: unknown, { settings: { names } }: Words): unknown {
  if (!(error instanceof AppError)) return error
  const { kind, data, cause } = error
  const name = typeof data.name === 'string' ? (names as Record<string, string>)[data.name] : undefined
  return name === undefined ? error : new AppError(kind, { ...data, name }, { cause })
}

function shownValue(
  core: Core,
  { settings: texts }: Words,
  name: SettingName,
  { chosen }: Showing['settings'],
): string {
  const models = core.models.all()
  const onOff = (value: boolean) => texts.values[value ? 'on' : 'off']
  switch (name) {
    case 'model': {
      const id = usualModel(core, chosen)
      return models.find((model) => model.id === id)?.title ?? id
    }
    case 'aspect':
      return chosen.aspect ?? texts.ofModel
    case 'count':
      return String(chosen.count ?? 1)
    case 'enhance':
      return chosen.enhance ? texts.values[chosen.enhance] : onOff(core.enhanceByDefault && core.enhancer !== undefined)
    case 'language':
      return chosen.language === undefined ? texts.ofClient : (texts.languages[chosen.language] ?? chosen.language)
    case 'announcements':
      return onOff(chosen.announcements ?? true)
    case 'private':
    case 'original':
      return onOff(chosen[name] ?? false)
  }
}

export interface Filling {
  core: Core
  words: Words
  chosen: InForce
}

/** A field of a form, filled in with the current value. */
export function fieldOf({ core, words, chosen }: Filling, name: SettingName): FieldSpec {
  const { values: shown, languages } = words.settings
  const models = core.models.all().filter((model) => isAllowed(chosen, model))
  const labels: Readonly<Record<string, string>> = name === 'language' ? languages : shown
  const choices = possible[name](models).map((value) => ({
    value,
    label: (name === 'model' ? models.find(({ id }) => id === value)?.title : labels[value]) ?? value,
  }))
  return {
    kind: 'choice',
    required: true,
    value: asWritten(chosen[name]),
    choices: [{ value: byDefault, label: shown.default }, ...choices],
  }
}

function asWritten(value: Settings[SettingName] | undefined): string {
  if (typeof value === 'boolean') return value ? 'on' : 'off'
  return value === undefined ? byDefault : String(value)
}
