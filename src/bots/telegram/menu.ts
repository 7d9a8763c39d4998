/** The lists of commands that Telegram shows when a person types '/': in each kind of chat, and in each language. */
import { createHash } from 'node:crypto'
import type { Api } from 'grammy'
import type { BotCommandScope, LanguageCode } from 'grammy/types'
import type { Database } from '../../db/database.ts'
import { readFact, saveFact } from '../../db/facts.ts'
import { allLanguages, type Words } from '../../locales/index.ts'
import type { Log } from '../../log.ts'
import { type AnyCommand, commandsOn } from '../command.ts'
import { failureOf } from './bot-api.ts'

/** Telegram's limit for a description, in characters. */
const maxDescription = 256

interface MenuOptions {
  database: Database
  log: Log
  botId: string
  commands: readonly AnyCommand[]
  /** Identities of all administrators. */
  admins: ReadonlySet<string>
}

/** Sets the lists if they have changed since they were last set: Telegram limits such calls. Resolves to whether they had changed. */
export async function setMenus(api: Api, { database, log, botId, commands, admins }: MenuOptions): Promise<boolean> {
  const menus = menusOf(commands, admins)
  const hash = createHash('sha256').update(JSON.stringify(menus)).digest('hex')
  const fact = `telegram:commands:${botId}`
  if ((await readFact(database, fact)) === hash) return false
  let isComplete = true
  for (const { list, ...where } of menus) {
    await api.setMyCommands(list, where).catch((error: unknown) => {
      // an administrator who has never written to the bot has no chat yet
      if (where.scope.type !== 'chat' || failureOf(error)?.code !== 400) throw error
      log.debug(
        { chat: where.scope.chat_id },
        'an administrator gets the list of commands once they have started the bot',
      )
      isComplete = false
    })
  }
  if (isComplete) await saveFact(database, fact, hash)
  return true
}

interface Menu {
  scope: BotCommandScope
  /** undefined: for all languages without a list of their own. */
  language_code: LanguageCode | undefined
  list: { command: string; description: string }[]
}

function menusOf(all: readonly AnyCommand[], admins: ReadonlySet<string>): Menu[] {
  const commands = commandsOn('telegram', all)
  const forEveryone = commands.filter(({ needs }) => needs !== 'admin' && needs !== 'manager')
  const inGroups = forEveryone.filter(({ privateOnly }) => !privateOnly)
  const forManagers = commands.filter(({ needs, privateOnly }) => needs !== 'admin' && !privateOnly)
  const scopes: [BotCommandScope, readonly AnyCommand[]][] = [
    [{ type: 'default' }, inGroups],
    [{ type: 'all_private_chats' }, forEveryone],
    [{ type: 'all_group_chats' }, inGroups],
    [{ type: 'all_chat_administrators' }, forManagers],
    ...telegramIdsIn(admins).map((chatId): [BotCommandScope, readonly AnyCommand[]] => [
      { type: 'chat', chat_id: chatId },
      commands.filter(({ needs }) => needs !== 'manager'),
    ]),
  ]
  return allLanguages.flatMap(([, words]) =>
    scopes.map(([scope, shown]) => ({
      scope,
      language_code: words.tags.telegram as LanguageCode | undefined,
      list: shown.map((command) => entryOf(words, command)),
    })),
  )
}

const entryOf = (words: Words, { name }: AnyCommand) => ({
  command: name,
  description: words.commands[name].description.slice(0, maxDescription),
})

/** The private chat with a person has the id of the person. */
export const telegramIdsIn = (admins: ReadonlySet<string>) =>
  [...admins].filter((identity) => /^telegram:\d+$/.test(identity)).map((identity) => Number(identity.split(':')[1]))
