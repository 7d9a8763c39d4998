/** Commands of administrators from the terminal of the operator's machine. They take the same way as those of chats. */
import type { Core } from '../../core/core.ts'
import type { Call } from '../../core/ports/chat.ts'
import { wordsFor } from '../../locales/index.ts'
import { type AnyCommand, commandsOn, findCommand } from '../command.ts'
import { allCommands } from '../commands/index.ts'
import { answerTo } from '../dispatch.ts'
import { plainText } from '../layout.ts'
import { valuesOf } from '../options.ts'

/** Who acts, in the audit log. No surface makes calls of this identity. */
export const terminalIdentity = 'cli'

/** 'ban @bob spam', without the slash. */
export interface TerminalCommand {
  /** The same for each try to send it. */
  key: string
  text: string
}

export interface TerminalAnswer {
  text: string
  failed: boolean
}

/** Those that administrators alone may use, some with certain options only. */
export const adminCommands = commandsOn('cli', allCommands).filter(
  ({ needs }) => typeof needs === 'function' || needs === 'admin',
)

export async function answerTerminal(core: Core, { key, text: written }: TerminalCommand): Promise<TerminalAnswer> {
  const [, name = '', text = ''] = /^\s*\/?(\S*)\s*(.*)$/s.exec(written) ?? []
  const act = { kind: 'command', name: name.toLowerCase(), text, options: {} } as const
  const call: Call = {
    key: `cli:${key}`,
    surface: 'cli',
    address: `cli:${key}`,
    from: { id: terminalIdentity, name: 'operator' },
    place: { channel: 'cli', nsfw: false, manager: false, roles: [] },
    locale: 'en',
    act,
    images: [],
    isPrivate: true,
  }
  const command = findCommand(adminCommands, name.toLowerCase())
  if (!command || isForEveryone(command, text)) return { text: wordsFor('en').admin.terminal, failed: true }
  const { answer } = await answerTo({ core, handlers: { commands: adminCommands, actions: [] }, call }, act)
  return { text: plainText(answer), failed: answer.state === 'failed' }
}

/** False for options that cannot be read: the command itself says what is wrong with them. */
function isForEveryone(command: AnyCommand, text: string): boolean {
  if (typeof command.needs !== 'function') return false
  try {
    return command.needs(valuesOf(command, text, {}) as never) !== 'admin'
  } catch {
    return false
  }
}
