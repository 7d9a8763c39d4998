/** One interface to the emulated chats, for tests that run the same steps on all of them. */
import type { ShownButton } from './buttons.ts'
import type { DiscordEmulator, From as DiscordFrom, Message, OptionValue } from './discord/index.ts'
import type { ShownMessage, TelegramEmulator, From as TelegramFrom } from './telegram/index.ts'

export interface EmulatedChat {
  readonly name: 'discord' | 'telegram'
  /** The person of this name, in the group or channel that all people share, or in their private chat with the bot. */
  person(name: string, place?: 'group' | 'private'): Person
  /** Messages of the bot that are not deleted, oldest first. */
  botMessages(): ChatMessage[]
  /** Current state of a message. Absent: it was deleted. */
  current(message: ChatMessage): ChatMessage | undefined
  /** Resolves with the message once it satisfies the predicate. */
  waitFor(message: ChatMessage, predicate: (message: ChatMessage) => boolean, timeoutMs?: number): Promise<ChatMessage>
  /** Violations of the platform's own API description. */
  violations(): readonly string[]
}

export interface ChatMessage {
  id: string
  text: string
  pictures: Buffer[]
  /** By row. */
  buttons: ShownButton[][]
  /** Earlier texts, oldest first. */
  edits: string[]
  /** Identity of the only person who sees the message. Absent: it is visible to everyone in its place. */
  visibleTo?: string
}

export interface Person {
  /** 'discord:100000000000000001', 'telegram:1001'. */
  identity: string
  /** The id without the platform's name. */
  userId: string
  /** Requests a picture: `/flux` with these words, or in a private Telegram chat a plain message. */
  ask(words: string, picture?: Buffer): Act
  /** Uses a command with options where the platform has them, and with text where it has not. */
  command(name: string, options?: Record<string, OptionValue>, text?: string): Act
  /** Presses a button, found by its label or id. Throws if the person does not see it. */
  press(message: ChatMessage, button: string): Press
}

export interface Act {
  /** Messages of the bot that respond to the act, oldest first. */
  answers(): ChatMessage[]
  /** Resolves with a response that satisfies the predicate. */
  waitForAnswer(predicate?: (message: ChatMessage) => boolean, timeoutMs?: number): Promise<ChatMessage>
}

export interface Press {
  /** Resolves once the bot has answered the press, so that the client shows no error. */
  acknowledged(timeoutMs?: number): Promise<void>
  /** Resolves with the text that only the pressing person sees. */
  notice(timeoutMs?: number): Promise<string>
}

const WAIT_MS = 10_000

export function chatOnDiscord(discord: DiscordEmulator): EmulatedChat {
  const ids = numbered(100_000_000_000_000_001n)
  const find = (id: string) => discord.messages().find((message) => message.id === id)

  function act(command: string, options: Record<string, OptionValue>, from: DiscordFrom): Act {
    const { id } = discord.slash(command, options, from)
    const responds = (message: Message) => message.interactionId === id && !message.thinking
    return {
      answers: () => discord.messages().filter(responds).map(fromDiscord),
      async waitForAnswer(predicate = () => true, timeoutMs = WAIT_MS) {
        const matches = (message: Message) => responds(message) && predicate(fromDiscord(message))
        return fromDiscord(await discord.waitForMessage(matches, timeoutMs))
      },
    }
  }

  return {
    name: 'discord',
    person(name, place = 'group') {
      const userId = ids(name)
      const from = { userId, username: name, ...(place === 'private' && { guildId: null }) }
      return {
        identity: `discord:${userId}`,
        userId,
        ask: (prompt, picture) =>
          act('flux', { prompt, ...(picture && { image1: { filename: 'picture.png', data: picture } }) }, from),
        command: (command, options = {}) => act(command, options, from),
        press(message, button) {
          const pressed = discord.press(message.id, button, { userId, username: name })
          const isNotice = (shown: Message) => shown.interactionId === pressed.id && shown.ephemeral && !shown.thinking
          return {
            acknowledged: async (timeoutMs = WAIT_MS) => void (await pressed.waitForAck(timeoutMs)),
            notice: async (timeoutMs = WAIT_MS) => (await discord.waitForMessage(isNotice, timeoutMs)).content,
          }
        },
      }
    },
    botMessages: () => discord.botMessages().map(fromDiscord),
    current(message) {
      const found = find(message.id)
      return found && fromDiscord(found)
    },
    async waitFor(message, predicate, timeoutMs = WAIT_MS) {
      const matches = (shown: Message) => shown.id === message.id && predicate(fromDiscord(shown))
      return fromDiscord(await discord.waitForMessage(matches, timeoutMs))
    },
    violations: () => discord.violations,
  }
}

function fromDiscord({ id, content, attachments, buttons, edits, visibleTo }: Message): ChatMessage {
  const pictures = attachments.map(({ data }) => data)
  return { id, text: content, pictures, buttons, edits, ...(visibleTo && { visibleTo: `discord:${visibleTo}` }) }
}

export function chatOnTelegram(telegram: TelegramEmulator): EmulatedChat {
  const ids = numbered(1001n)
  const chats = new Set<number>()
  const refOf = (message: ChatMessage) => {
    const [chatId = 0, messageId = 0] = message.id.split(':').map(Number)
    return { chatId, messageId }
  }

  function actOf({ chatId, messageId }: { chatId: number; messageId: number }): Act {
    chats.add(chatId)
    const responds = (message: ShownMessage) => message.fromBot && message.replyTo === messageId
    return {
      answers: () => telegram.messages(chatId).filter(responds).map(fromTelegram),
      async waitForAnswer(predicate = () => true, timeoutMs = WAIT_MS) {
        const matches = (message: ShownMessage) => responds(message) && predicate(fromTelegram(message))
        return fromTelegram(await telegram.waitFor(chatId, matches, timeoutMs))
      },
    }
  }

  return {
    name: 'telegram',
    person(name, place = 'group') {
      const userId = ids(name)
      const who: TelegramFrom = { userId: Number(userId), firstName: name, username: name }
      const from: TelegramFrom = { ...who, chatType: place === 'group' ? 'supergroup' : 'private' }
      return {
        identity: `telegram:${userId}`,
        userId,
        ask(words, picture) {
          const text = place === 'group' ? `/flux ${words}` : words
          return actOf(picture ? telegram.sendPhoto({ data: picture, caption: text }, from) : telegram.say(text, from))
        },
        command: (command, _options, text = '') => actOf(telegram.say(`/${command} ${text}`.trim(), from)),
        press(message, button) {
          const { answered } = telegram.press(refOf(message), button, who)
          return {
            acknowledged: async (timeoutMs = WAIT_MS) => void (await answered(timeoutMs)),
            async notice(timeoutMs = WAIT_MS) {
              const { text } = await answered(timeoutMs)
              if (text === undefined) throw new Error(`the bot answered the press of "${button}" without a text`)
              return text
            },
          }
        },
      }
    },
    botMessages: () => [...chats].flatMap((chatId) => telegram.botMessages(chatId)).map(fromTelegram),
    current(message) {
      const { chatId, messageId } = refOf(message)
      const found = telegram.messages(chatId).find((shown) => shown.messageId === messageId)
      return found && fromTelegram(found)
    },
    async waitFor(message, predicate, timeoutMs = WAIT_MS) {
      const { chatId, messageId } = refOf(message)
      const matches = (shown: ShownMessage) => shown.messageId === messageId && predicate(fromTelegram(shown))
      return fromTelegram(await telegram.waitFor(chatId, matches, timeoutMs))
    },
    violations: () => telegram.violations,
  }
}

function fromTelegram({ chatId, messageId, text, photo, document, buttons, edits }: ShownMessage): ChatMessage {
  const pictures = [photo, document?.data].filter((data) => data !== undefined)
  return { id: `${chatId}:${messageId}`, text, pictures, buttons, edits: edits.map((version) => version.text) }
}

/** Gives each name an id of its own, in the order of first use. */
function numbered(first: bigint): (name: string) => string {
  const ids = new Map<string, string>()
  return (name) => {
    const id = ids.get(name) ?? String(first + BigInt(ids.size))
    ids.set(name, id)
    return id
  }
}
