/** Registers our commands with Discord, but only when they have changed: it limits how often that is done. */
import { createHash } from 'node:crypto'
import {
  ApplicationIntegrationType,
  ChannelType,
  InteractionContextType,
  Routes,
  ApplicationCommandOptionType as Type,
} from 'discord-api-types/v10'
import type { Model } from '../../core/ports/models.ts'
import { allLanguages, type Words } from '../../locales/index.ts'
import { type AnyCommand, commandsOn, type OptionSpec, type OptionSpecs, type Subcommand } from '../command.ts'
import type { Menu } from '../menus/menu.ts'
import { menuDefinitions } from './menus.ts'
import type { Api } from './rest/api.ts'

export interface Registration {
  applicationId: string
  commands: readonly AnyCommand[]
  /** Entries in the menus of messages. Absent: none. */
  menus?: readonly Menu[]
  /** The models that are set up now: they come and go. */
  models(): readonly Model[]
  facts: { get(name: string): Promise<string | undefined>; set(name: string, value: string): Promise<void> }
}

/** Discord's limit for a description, in characters. */
const maxDescription = 100
/** Discord's limit. An option with more choices is free text, which the core checks anyway. */
const maxChoices = 25

export async function register(api: Api, registration: Registration): Promise<'changed' | 'same'> {
  const { applicationId, facts } = registration
  const definitions = commandDefinitions(registration)
  const hash = createHash('sha256').update(JSON.stringify(definitions)).digest('hex')
  const fact = `discord:commands:${applicationId}`
  if ((await facts.get(fact)) === hash) return 'same'
  await api.send('put', Routes.applicationCommands(applicationId), { body: definitions })
  await facts.set(fact, hash)
  return 'changed'
}

export function commandDefinitions(registration: Pick<Registration, 'commands' | 'menus' | 'models'>) {
  return [...slashCommands(registration), ...menuDefinitions(registration.menus ?? [])]
}

function slashCommands({ commands, models }: Pick<Registration, 'commands' | 'models'>) {
  return commandsOn('discord', commands).flatMap((command) =>
    [command.name, ...(command.aliases ?? [])].map((name) => ({
      type: 1,
      name,
      ...named(({ names }) => names && { ...names.commands, ...names.aliases }[name]),
      ...described((words) => words.aliases[name] ?? words.commands[command.name].description),
      options: command.subcommands
        ? Object.entries(command.subcommands).map(([each, given]) =>
            subcommand(command, each, { given, models: models() }),
          )
        : optionsOf(command, command.options, models()),
      ...(command.groupsOnly ? inServers : everywhere),
    })),
  )
}

const everywhere = {
  contexts: [InteractionContextType.Guild, InteractionContextType.BotDM, InteractionContextType.PrivateChannel],
  integration_types: [ApplicationIntegrationType.GuildInstall, ApplicationIntegrationType.UserInstall],
}
const inServers = {
  contexts: [InteractionContextType.Guild],
  integration_types: [ApplicationIntegrationType.GuildInstall],
}

/** Discord wants the required ones first. */
const optionsOf = (command: AnyCommand, options: OptionSpecs, models: readonly Model[]) =>
  Object.entries(options)
    .filter(([, { surfaces }]) => surfaces?.includes('discord') ?? true)
    .toSorted(([, a], [, b]) => Number(b.required ?? false) - Number(a.required ?? false))
    .map(([option, spec]) => optionDefinition(command, option, { spec, models }))

function subcommand(
  command: AnyCommand,
  name: string,
  { given: { required, optional = [] }, models }: { given: Subcommand; models: readonly Model[] },
) {
  const options = [...required, ...optional].flatMap((option) => {
    const spec = command.options[option]
    return spec ? [[option, { ...spec, required: required.includes(option) }] as const] : []
  })
  return {
    type: Type.Subcommand,
    name,
    ...named(({ names }) => own(names?.subcommands, name)),
    ...described((words) => {
      const texts = words.commands[command.name]
      const each: Readonly<Record<string, string>> = 'subcommands' in texts ? texts.subcommands : {}
      return each[name] ?? name
    }),
    options: optionsOf(command, Object.fromEntries(options), models),
  }
}

const types: Readonly<Record<OptionSpec['type'], Type>> = {
  prompt: Type.String,
  text: Type.String,
  integer: Type.Integer,
  number: Type.Number,
  choice: Type.String,
  user: Type.User,
  channel: Type.Channel,
  role: Type.Role,
  switch: Type.Boolean,
  image: Type.Attachment,
}

/** Those with messages: a rule for a category would hold for none of its channels. */
const channelTypes = [
  ChannelType.GuildText,
  ChannelType.GuildVoice,
  ChannelType.GuildAnnouncement,
  ChannelType.AnnouncementThread,
  ChannelType.PublicThread,
  ChannelType.PrivateThread,
  ChannelType.GuildStageVoice,
  ChannelType.GuildForum,
]

interface Option {
  spec: OptionSpec
  models: readonly Model[]
}

function optionDefinition(command: AnyCommand, name: string, { spec, models }: Option) {
  const offered = typeof spec.choices === 'function' ? spec.choices(models) : (spec.choices ?? [])
  // Discord takes either fixed choices or suggestions
  const choices = spec.suggest ? [] : offered
  return {
    type: types[spec.type],
    name,
    ...named(({ names }) => own(names?.options, name)),
    ...described((words) => {
      const texts: Readonly<Record<string, string>> = words.commands[command.name].options
      return texts[name] ?? name
    }),
    required: spec.required ?? false,
    ...(choices.length > 0 && choices.length <= maxChoices ? { choices: choices.map(choiceDefinition) } : {}),
    ...(spec.suggest && { autocomplete: true }),
    ...(spec.type === 'channel' && { channel_types: channelTypes }),
    ...limitsOf({ ...spec, ...spec.range?.(models) }),
  }
}

const choiceDefinition = (value: string) => ({
  name: value,
  ...named(({ names }) => own(names?.choices, value)),
  value,
})

function limitsOf({ type, min, max }: Pick<OptionSpec, 'type' | 'min' | 'max'>): Record<string, number> {
  if (type !== 'text' && type !== 'integer' && type !== 'number') return {}
  const unit = type === 'text' ? 'length' : 'value'
  return {
    ...(min === undefined ? {} : { [`min_${unit}`]: min }),
    ...(max === undefined ? {} : { [`max_${unit}`]: max }),
  }
}

/** The default name stays what Discord sends. `name` undefined: that language has none. */
function named(name: (words: Words) => string | undefined) {
  const localized = allLanguages.flatMap(([, words]) => {
    const translated = name(words)
    return translated === undefined ? [] : words.tags.discord.map((tag) => [tag, translated])
  })
  return localized.length === 0 ? {} : { name_localizations: Object.fromEntries(localized) }
}

const own = (texts: Readonly<Record<string, string>> | undefined, name: string): string | undefined =>
  texts && Object.hasOwn(texts, name) ? texts[name] : undefined

function described(text: (words: Words) => string) {
  const localized = allLanguages.flatMap(([, words]) => words.tags.discord.map((tag) => [tag, shortened(text(words))]))
  const [english] = allLanguages
  return { description: shortened(text(english![1])), description_localizations: Object.fromEntries(localized) }
}

function shortened(text: string): string {
  const letters = [...text]
  return letters.length <= maxDescription ? text : `${letters.slice(0, maxDescription - 1).join('')}…`
}
