/** Tells Discord our commands, but only when they changed: it counts how often that is done. */
import { createHash } from 'node:crypto'
import {
  ApplicationIntegrationType,
  InteractionContextType,
  Routes,
  ApplicationCommandOptionType as Type,
} from 'discord-api-types/v10'
import type { Command, CommandOption } from '../command.ts'
import type { Api } from './api.ts'

interface Describe {
  command(name: string): string
  option(name: string): string
}

export interface Registration {
  applicationId: string
  /** Those of now: models come and go. */
  commands(): readonly Command[]
  describe: (locale: 'en' | 'zh') => Describe
  facts: { get(name: string): Promise<string | undefined>; set(name: string, value: string): Promise<void> }
}

const longestDescription = 100
/** With more of them an option is free text, which the core checks anyway. */
const mostChoices = 25

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

function commandDefinitions({ commands, describe }: Pick<Registration, 'commands' | 'describe'>) {
  return commands().flatMap((command) =>
    [command.name, ...(command.aliases ?? [])].map((name) => ({
      type: 1,
      name,
      ...described(describe, (words) => wordsOf(words, command, name)),
      // Discord wants the required ones first
      options: command.options
        .toSorted((a, b) => Number(b.required ?? false) - Number(a.required ?? false))
        .map((option) => optionDefinition(option, describe)),
      contexts: [InteractionContextType.Guild, InteractionContextType.BotDM, InteractionContextType.PrivateChannel],
      integration_types: [ApplicationIntegrationType.GuildInstall, ApplicationIntegrationType.UserInstall],
    })),
  )
}

/** An alias without words of its own has those of its command. */
function wordsOf(words: Describe, command: Command, name: string): string {
  const own = words.command(name)
  return own === name || own === '' ? words.command(command.name) : own
}

const types: Readonly<Record<CommandOption['type'], Type>> = {
  text: Type.String,
  integer: Type.Integer,
  number: Type.Number,
  boolean: Type.Boolean,
  choice: Type.String,
  user: Type.User,
  image: Type.Attachment,
}

function optionDefinition(option: CommandOption, describe: Registration['describe']) {
  const { name, type, required = false, choices = [] } = option
  return {
    type: types[type],
    name,
    ...described(describe, (words) => words.option(name)),
    required,
    ...(type === 'choice' && choices.length > 0 && choices.length <= mostChoices
      ? { choices: choices.map((choice) => ({ name: choice, value: choice })) }
      : {}),
    ...limitsOf(option),
  }
}

function limitsOf({ type, min, max }: CommandOption): Record<string, number> {
  const names = {
    text: ['min_length', 'max_length'],
    integer: ['min_value', 'max_value'],
    number: ['min_value', 'max_value'],
  }
  if (type !== 'text' && type !== 'integer' && type !== 'number') return {}
  const [least = '', most = ''] = names[type]
  return { ...(min === undefined ? {} : { [least]: min }), ...(max === undefined ? {} : { [most]: max }) }
}

function described(describe: Registration['describe'], text: (words: Describe) => string) {
  const zh = shortened(text(describe('zh')))
  return { description: shortened(text(describe('en'))), description_localizations: { 'zh-CN': zh, 'zh-TW': zh } }
}

function shortened(text: string): string {
  const letters = [...text]
  return letters.length <= longestDescription ? text : `${letters.slice(0, longestDescription - 1).join('')}…`
}
