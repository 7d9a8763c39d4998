/**
 * Telegram's limits: about one message a second in a chat, 20 a minute in a group, and 30 a second in all chats together, edits
 * included. They are shared by all processes of a bot, and each sent picture counts.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Transformer } from 'grammy'
import type { ChatPace, Window } from '../../core/chats/pace.ts'

/** Limits for edits that show progress. Other calls in the same time count towards them. */
export interface TelegramPace {
  group: readonly Window[]
  private: readonly Window[]
  /** For everything that the bot sends, in all chats together. */
  overall: readonly Window[]
}

const aSecond = { calls: 1, ms: 1_000 }

/** Half of what a group permits in a minute is left to answers and results. */
export const telegramPace: TelegramPace = {
  group: [aSecond, { calls: 10, ms: 60_000 }],
  private: [aSecond],
  overall: [{ calls: 30, ms: 1_000 }],
}

/** All calls count towards each of these limits, so the one with the lowest limit gives way first. Answers and results have all. */
const shareOf = ({ overall }: TelegramPace, share: number): Window[] =>
  overall.map(({ calls, ms }) => ({ calls: Math.ceil(calls * share), ms }))

/** Progress leaves a sixth of the bot's room to answers and results. */
export const progressRoom = (pace: TelegramPace): Window[] => shareOf(pace, 5 / 6)

/** Announcements leave a third to all others, and stop while these need more. */
export const announcementRoom = (pace: TelegramPace): Window[] => shareOf(pace, 2 / 3)

/** Ids of groups are negative. */
export const isGroup = (chatId: number) => chatId < 0

export const paceName = (botId: string, chatId: number | string) => `telegram:${botId}:${chatId}`

const counted = /^(send(?!ChatAction)|edit|copy|forward)/

/** Waits for the room of the whole bot, counts calls on their way, and remembers the pauses that Telegram asks for. */
export function countCalls(pace: ChatPace, botId: string, { overall }: Pick<TelegramPace, 'overall'>): Transformer {
  return async (call, method, payload, signal) => {
    const { chat_id: chatId, media } = payload as { chat_id?: number | string; media?: unknown }
    if (chatId === undefined || !counted.test(method)) return call(method, payload, signal)
    const chat = paceName(botId, chatId)
    const calls = Array.isArray(media) ? media.length : 1
    // a failed count must not fail the call: Telegram counts as well
    const ignore = () => undefined
    await roomFor(pace, { bot: paceName(botId, 'all'), overall, calls }).catch(ignore)
    void pace.count(chat, calls).catch(ignore)
    const response = await call(method, payload, signal)
    const seconds = response.ok ? undefined : response.parameters?.retry_after
    if (seconds !== undefined) void pace.pause(chat, seconds * 1_000).catch(ignore)
    return response
  }
}

/** Milliseconds between looks for room, and for how long at most: then Telegram decides. */
const lookMs = 100
const patienceMs = 10_000

interface Wanted {
  bot: string
  overall: readonly Window[]
  calls: number
}

async function roomFor(pace: ChatPace, { bot, overall, calls }: Wanted): Promise<void> {
  const until = Date.now() + patienceMs
  while (!(await pace.takeRoom(bot, overall, calls)) && Date.now() < until) await pause(lookMs)
}
