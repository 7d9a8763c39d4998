/** Sends announcements: messages that people have not asked for. Each is sent once at most; the caller learns how the call ended. */
import type { Api } from 'grammy'
import type { ChatPace } from '../../../core/chats/pace.ts'
import { splitName } from '../../../core/ids.ts'
import type { Announced, Announcer } from '../../../core/ports/chat.ts'
import { failureOf, hasNotArrived } from '../bot-api.ts'
import { announcementRoom, paceName, type TelegramPace } from '../pace.ts'
import { formatted } from './formatted.ts'
import { keyboardOf } from './keyboard.ts'
import { maxText, withoutPreview } from './text.ts'

interface AnnouncerOptions {
  /** It neither counts calls nor repeats them. */
  api: Api
  chatPace: ChatPace
  botId: string
  pace: TelegramPace
}

/** Pauses after an answer that names none: Telegram was not reached, or does not take the token. */
const unreachedMs = 5_000
const unauthorizedMs = 60_000

export function createAnnouncer({ api, chatPace, botId, pace }: AnnouncerOptions): Announcer {
  return {
    takeRoom: () => chatPace.takeRoom(paceName(botId, 'all'), announcementRoom(pace)),

    async send(person, reply) {
      // the private chat with a person has the id of the person
      const chatId = Number(splitName(person).id)
      const { text, entities } = formatted(reply, maxText)
      void chatPace.count(paceName(botId, chatId), 1).catch(() => undefined)
      try {
        await api.sendMessage(chatId, text, { ...withoutPreview, entities, reply_markup: keyboardOf(reply) })
        return { how: 'sent' }
      } catch (error) {
        return outcomeOf(error)
      }
    },

    answers: () =>
      api.getMe().then(
        () => true,
        () => false,
      ),
  }
}

function outcomeOf(error: unknown): Announced {
  const failure = failureOf(error)
  if (!failure) return hasNotArrived(error) ? { how: 'later', waitMs: unreachedMs } : { how: 'unknown' }
  const { code, description, retryAfterMs = unreachedMs } = failure
  if (code === 429) return { how: 'later', waitMs: retryAfterMs }
  // a wrong token says nothing about the chat
  if (code === 401 || code === 404) return { how: 'later', waitMs: unauthorizedMs }
  if (code >= 500) return { how: 'unknown' }
  if (description.includes('user is deactivated')) return { how: 'gone' }
  return code === 403 || description.includes('chat not found') ? { how: 'blocked' } : { how: 'failed' }
}
