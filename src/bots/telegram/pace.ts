/**
 * Telegram's limits for a chat: about one message a second, and 20 a minute in a group, edits included. They are shared by
 * all processes of a bot, and each sent picture counts.
 */
import type { Transformer } from 'grammy'
import type { ChatPace, Window } from '../../core/chats/pace.ts'

/** Limits for edits that show progress. Other calls in the same time count towards them. */
export interface TelegramPace {
  group: readonly Window[]
  private: readonly Window[]
}

const aSecond = { calls: 1, ms: 1_000 }

/** Half of what a group permits in a minute is left to answers and results. */
export const telegramPace: TelegramPace = {
  group: [aSecond, { calls: 10, ms: 60_000 }],
  private: [aSecond],
}

/** Ids of groups are negative. */
export const isGroup = (chatId: number) => chatId < 0

export const paceName = (botId: string, chatId: number | string) => `telegram:${botId}:${chatId}`

const counted = /^(send(?!ChatAction)|edit|copy|forward)/

/** Counts calls on their way, and remembers the pauses that Telegram asks for. */
export function countCalls(pace: ChatPace, botId: string): Transformer {
  return async (call, method, payload, signal) => {
    const { chat_id: chatId, media } = payload as { chat_id?: number | string; media?: unknown }
    if (chatId === undefined || !counted.test(method)) return call(method, payload, signal)
    const chat = paceName(botId, chatId)
    // a failed count must not fail the call: it only limits edits that show progress
    const ignore = () => undefined
    void pace.count(chat, Array.isArray(media) ? media.length : 1).catch(ignore)
    const response = await call(method, payload, signal)
    const seconds = response.ok ? undefined : response.parameters?.retry_after
    if (seconds !== undefined) void pace.pause(chat, seconds * 1_000).catch(ignore)
    return response
  }
}
