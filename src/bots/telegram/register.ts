/** The list of commands that Telegram shows when a person types '/', in each language. */
import type { Api } from 'grammy'
import type { LanguageCode } from 'grammy/types'
import { allLanguages } from '../../locales/index.ts'
import type { AnyCommand } from '../command.ts'

/** Telegram's limit for a description, in characters. */
const maxDescription = 256

/** Registers only what has changed, since Telegram limits such calls. A language without a code serves all others. */
export async function registerCommands(api: Api, commands: readonly AnyCommand[]): Promise<void> {
  for (const [, words] of allLanguages) {
    const language_code = words.tags.telegram as LanguageCode | undefined
    const wanted = commands.map(({ name }) => ({
      command: name,
      description: words.commands[name].description.slice(0, maxDescription),
    }))
    const registered = await api.getMyCommands({ language_code })
    const isSame = JSON.stringify(pairs(registered)) === JSON.stringify(pairs(wanted))
    if (!isSame) await api.setMyCommands(wanted, { language_code })
  }
}

const pairs = (list: readonly { command: string; description: string }[]) =>
  list.map(({ command, description }) => [command, description])
