/** One interface to the emulated chats, for tests that run the same steps on all of them. */
import type { ShownButton } from './buttons.ts'
import type { DiscordEmulator, From as DiscordFrom, Interaction, Message, OptionValue } from './discord/index.ts'
import type { ShownMessage, TelegramEmulator, From as TelegramFrom } from './telegram/index.ts'

export interface EmulatedChat {
  readonly name: 'discord' | 'telegram'
  /** The person of this name, in the group or channel that all people share, or in their private chat with the bot. */
  person(name: string, place?: 'group' | 'private'): Person
  /** Sets the language of this person's app: 'zh-CN'. */
  setLanguage(name: string, language: string): void
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
  /** Opens a form with a button, found as by `press`, changes its prompt and sends it. */
  fillIn(message: ChatMessage, button: string, prompt: string): Promise<Act>
  /** Collects every message that the bot sends from now on to the chat where the person is. */
  watch(): Act
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

const WAIT_MS = 60_000

export function chatOnDiscord(discord: DiscordEmulator): EmulatedChat {
  const ids = numbered(100_000_000_000_000_001n)
  const languages = new Map<string, string>()
  const find = (id: string) => discord.messages().find((message) => message.id === id)

  const actOf = ({ id }: Interaction) => answersOf(({ interactionId, thinking }) => interactionId === id && !thinking)

  function answersOf(responds: (message: Message) => boolean): Act {
    return {
      answers: () => discord.botMessages().filter(responds).map(fromDiscord),
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
      const locale = languages.get(name)
      const who = { userId, username: name, ...(locale && { locale }) }
      const from: DiscordFrom = { ...who, ...(place === 'private' && { guildId: null }) }
      const act = (command: string, options: Record<string, OptionValue>) =>
        actOf(discord.slash(command, options, from))
      return {
        identity: `discord:${userId}`,
        userId,
        ask: (prompt, picture) =>
          act('flux', { prompt, ...(picture && { image1: { filename: 'picture.png', data: picture } }) }),
        command: (command, options = {}) => act(command, options),
        press(message, button) {
          const pressed = discord.press(message.id, button, who)
          const isNotice = (shown: Message) => shown.interactionId === pressed.id && shown.ephemeral && !shown.thinking
          return {
            acknowledged: async (timeoutMs = WAIT_MS) => void (await pressed.waitForAck(timeoutMs)),
            notice: async (timeoutMs = WAIT_MS) => (await discord.waitForMessage(isNotice, timeoutMs)).content,
          }
        },
        async fillIn(message, button, prompt) {
          const opened = discord.press(message.id, button, who)
          await opened.waitForAck(WAIT_MS)
          return actOf(discord.submitModal(opened, { prompt }, who))
        },
        watch() {
          const channelId = place === 'private' ? discord.dmChannel(userId) : discord.channelId
          const known = new Set(discord.messages(channelId).map(({ id }) => id))
          const isVisible = ({ visibleTo = userId, thinking }: Message) => visibleTo === userId && !thinking
          return answersOf((message) => message.channelId === channelId && !known.has(message.id) && isVisible(message))
        },
      }
    },
    setLanguage: (name, language) => void languages.set(name, language),
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
  const languages = new Map<string, string>()
  const chats = new Set<number>()
  const refOf = (message: ChatMessage) => {
    const [chatId = 0, messageId = 0] = message.id.split(':').map(Number)
    return { chatId, messageId }
  }

  /** Tells messages of the bot that come later from those that are there. */
  function newIn(chatId: number): (message: ShownMessage) => boolean {
    const last = telegram.messages(chatId).at(-1)?.messageId ?? 0
    return ({ fromBot, messageId }) => fromBot && messageId > last
  }

  function actOf({ chatId, messageId }: { chatId: number; messageId: number }): Act {
    chats.add(chatId)
    return answersOf(chatId, ({ fromBot, replyTo }) => fromBot && replyTo === messageId)
  }

  function answersOf(chatId: number, responds: (message: ShownMessage) => boolean): Act {
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
      const who: TelegramFrom = {
        userId: Number(userId),
        firstName: name,
        username: name,
        languageCode: languages.get(name),
      }
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
        async fillIn(message, button, prompt) {
          const ref = refOf(message)
          const isNew = newIn(ref.chatId)
          telegram.press(ref, button, who)
          const isQuestion = (shown: ShownMessage) => isNew(shown) && shown.opensReplyOf !== undefined
          const { messageId } = await telegram.waitFor(ref.chatId, isQuestion, WAIT_MS)
          return actOf(telegram.say(prompt, { ...from, chatId: ref.chatId, replyTo: messageId }))
        },
        watch() {
          const chatId = telegram.open(from)
          chats.add(chatId)
          return answersOf(chatId, newIn(chatId))
        },
      }
    },
    setLanguage: (name, language) => void languages.set(name, language),
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
