/** The list that Telegram shows when somebody types '/', in each language. */
import type { Api } from 'grammy'
import type { Locale } from '../../core/ports/chat.ts'
import type { Command } from '../command.ts'

/** What Telegram takes as a description, in characters. */
const longestDescription = 256

export type Describe = (locale: Locale) => { command(name: string): string }

/** English is for everybody whose language has no list of its own. */
const lists = [
  { locale: 'en', language_code: undefined },
  { locale: 'zh', language_code: 'zh' },
] as const

/** Says nothing that Telegram knows already: it counts such calls. */
export async function tellCommands(api: Api, commands: readonly Command[], describe: Describe): Promise<void> {
  for (const { locale, language_code } of lists) {
    const words = describe(locale)
    const wanted = commands.map(({ name }) => ({
      command: name,
      description: words.command(name).slice(0, longestDescription),
    }))
    const told = await api.getMyCommands({ language_code })
    const isSame = JSON.stringify(pairs(told)) === JSON.stringify(pairs(wanted))
    if (!isSame) await api.setMyCommands(wanted, { language_code })
  }
}

const pairs = (list: readonly { command: string; description: string }[]) =>
  list.map(({ command, description }) => [command, description])
