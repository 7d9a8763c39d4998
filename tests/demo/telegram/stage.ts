/** Telegram as the demo plays it: private chats with the bot, and a group with topics. */
import type { From, ShownMessage, TelegramEmulator } from '../../emulators/telegram/index.ts'
import { createStage, firstLine, labelIn, only, type Scene, type Seen, type Stage } from '../stage.ts'

export type Name = 'Ann' | 'Bea' | 'Cyd' | 'Mo'

export interface Place {
  chatId: number
  title: string
  threadId?: number
}

const userIds: Readonly<Record<Name, number>> = { Ann: 3001, Bea: 3002, Cyd: 3003, Mo: 3004 }
/** The moderator is an administrator of the group, and of the service as well. */
export const moderatorId = userIds.Mo
export const group: Place = { chatId: -1003000000001, title: 'Painters' }
export const topic: Place = { chatId: group.chatId, title: 'Painters › Animals', threadId: 77 }
export const busyGroup: Place = { chatId: -1003000000002, title: 'A busy evening' }

interface Options {
  messages?: number
  until?: (seen: Seen) => boolean
  /** The message that is replied to. */
  replyTo?: Seen
}

export interface TelegramStage extends Omit<Stage, 'step'> {
  telegram: TelegramEmulator
  /** Absent `place`: in the private chat with the bot. */
  write(who: Name, words: string, place?: Place, options?: Options): Promise<Seen[]>
  photo(who: Name, photo: { data: Buffer; caption?: string }, place?: Place, options?: Options): Promise<Seen[]>
  album(who: Name, photos: { data: Buffer; caption?: string }[], options?: Options): Promise<Seen[]>
  /** Presses the button whose label starts like this. */
  press(who: Name, message: Seen, start: string, options?: Options): Promise<Seen[]>
  pay(who: Name, invoice: Seen): Promise<Seen[]>
  /** Several people write at once. */
  together(lines: readonly { who: Name; words: string }[], place: Place): Promise<Seen[]>
}

export function createTelegramStage(telegram: TelegramEmulator, folder: string, scene: Scene): TelegramStage {
  const chats = [...Object.values(userIds), group.chatId, busyGroup.chatId]
  const seen = () => chats.flatMap((chatId) => telegram.botMessages(chatId)).map(toSeen)
  const { step, note } = createStage({ folder, scene, seen })

  const refOf = ({ key }: Seen) => {
    const [chatId = 0, messageId = 0] = key.split(':').map(Number)
    return { chatId, messageId }
  }
  const fromOf = (who: Name, place?: Place, replyTo?: Seen): From => ({
    userId: userIds[who],
    firstName: who,
    username: who.toLowerCase(),
    languageCode: 'en',
    ...(place && { chatId: place.chatId, chatTitle: place.title, threadId: place.threadId }),
    ...(replyTo && { replyTo: refOf(replyTo).messageId }),
  })
  const whereIs = (place?: Place) =>
    place === undefined ? 'the private chat with the bot' : `the group ${place.title}`
  const placeOf = (message: Seen): Place | undefined => {
    const { chatId } = refOf(message)
    return [group, busyGroup].find((place) => place.chatId === chatId)
  }

  return {
    telegram,
    note,
    write: (who, words, place, { replyTo, ...options } = {}) =>
      step({
        ...options,
        who,
        where: whereIs(place),
        did: replyTo ? 'replies' : 'writes',
        said: words,
        on: replyTo && firstLine(replyTo),
        act: () => {
          telegram.say(words, fromOf(who, place, replyTo))
          return undefined
        },
      }),
    photo: (who, photo, place, { replyTo, ...options } = {}) =>
      step({
        ...options,
        who,
        where: whereIs(place),
        did: photo.caption === undefined ? 'sends a photo without words' : 'sends a photo with the words',
        said: photo.caption ?? '',
        sends: [photo.data],
        act: () => {
          telegram.sendPhoto(photo, fromOf(who, place, replyTo))
          return undefined
        },
      }),
    album: (who, photos, options = {}) =>
      step({
        ...options,
        who,
        where: whereIs(),
        did: 'sends an album with the words',
        said: photos.flatMap(({ caption = [] }) => caption).join(' '),
        sends: photos.map(({ data }) => data),
        act: () => {
          telegram.sendAlbum(photos, fromOf(who))
          return undefined
        },
      }),
    press: (who, message, start, options = {}) => {
      const said = labelIn(message, start)
      const place = placeOf(message)
      return step({
        ...options,
        who,
        where: whereIs(place),
        did: 'presses',
        said,
        on: firstLine(message),
        act: async () => {
          const { text } = await telegram.press(refOf(message), said, fromOf(who, place)).answered()
          return text === undefined ? undefined : { kind: 'notice', text }
        },
      })
    },
    pay: (who, invoice) =>
      step({
        who,
        where: whereIs(),
        did: 'pays the invoice',
        said: labelOfInvoice(telegram, refOf(invoice)),
        act: async () => {
          await telegram.pay(refOf(invoice), fromOf(who))
          return undefined
        },
      }),
    together: (lines, place) =>
      step({
        who: [...new Set(lines.map(({ who }) => who))].join(', '),
        where: whereIs(place),
        did: 'write at the same time',
        said: lines.map(({ who, words }) => `${who}: ${words}`).join('\n'),
        messages: lines.length,
        act: () => {
          for (const { who, words } of lines) telegram.say(words, fromOf(who, place))
          return undefined
        },
      }),
  }
}

function toSeen(message: ShownMessage): Seen {
  const { chatId, messageId, text, photo, document, buttons, spoiler, raw } = message
  const invoice = 'invoice' in raw && raw.invoice ? `🧾 Invoice: ${raw.invoice.title}\n${raw.invoice.description}` : ''
  const name = Object.entries(userIds).find(([, id]) => id === chatId)?.[0]
  return {
    key: `${chatId}:${messageId}`,
    seenBy: name === undefined ? 'everyone in the group' : `${name} only, in the private chat`,
    text: text || invoice,
    pictures: [photo, document?.data].filter((data) => data !== undefined),
    isSpoiler: spoiler,
    buttons,
  }
}

function labelOfInvoice(telegram: TelegramEmulator, { chatId, messageId }: { chatId: number; messageId: number }) {
  const shown = telegram.messages(chatId).find((message) => message.messageId === messageId)
  return only(shown?.buttons.flat() ?? []).label
}
