/**
 * Telegram's limits: about one message a second in a chat, 20 a minute in a group, and 30 a second in all chats together, edits
 * included. They are shared by all processes of a bot, and each sent picture counts.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Transformer } from 'grammy'
import type { ChatPace, TurnLimits, Window } from '../../core/chats/pace.ts'

/** Limits for edits that show progress. Other calls in the same time count towards them. */
export interface TelegramPace {
  group: readonly Window[]
  private: readonly Window[]
  /** For everything that the bot sends, in all chats together. */
  overall: readonly Window[]
  /** For answers and results. */
  turns: { group: TurnLimits; private: TurnLimits }
}

const aSecond = { calls: 1, ms: 1_000 }

/** Longer by a tenth than Telegram counts, because calls take different times to arrive. */
const turnsOfGroup = { calls: 20, ms: 66_000 }
const turnsOfChat = { calls: 1, ms: 1_100 }
/** One call a second on average: Telegram lets short bursts pass, such as the pictures and originals of one result. */
const burstOfChat = { calls: 20, ms: 22_000 }

/** Half of what a group permits in a minute is left to answers and results. */
export const telegramPace: TelegramPace = {
  group: [aSecond, { calls: 10, ms: 60_000 }],
  private: [aSecond],
  overall: [{ calls: 30, ms: 1_100 }],
  turns: {
    group: { always: [turnsOfGroup], afterRefusal: [turnsOfChat] },
    private: { always: [burstOfChat], afterRefusal: [turnsOfChat] },
  },
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

/** Whether Telegram counts this call towards the limits of a chat. Such a call is never repeated by itself: it is planned anew. */
export const isCounted = (method: string, payload: unknown): boolean =>
  counted.test(method) && (payload as { chat_id?: number | string }).chat_id !== undefined

/**
 * Counts calls, waits for the room of the whole bot, and remembers the pauses that Telegram asks for. A call that finds no room in its
 * chat fails at once, as if Telegram had refused it, and one that finds none in the whole bot fails after `patienceMs`.
 */
export function countCalls(pace: ChatPace, botId: string, { overall, turns }: TelegramPace): Transformer {
  return async (call, method, payload, signal) => {
    if (!isCounted(method, payload)) return call(method, payload, signal)
    const { chat_id: chatId, media } = payload as { chat_id: number | string; media?: unknown }
    const chat = paceName(botId, chatId)
    const calls = Array.isArray(media) ? media.length : 1
    const limits = isGroup(Number(chatId)) ? turns.group : turns.private
    // a failed count must not fail the call: Telegram counts as well
    const waitMs = await pace.takeTurn(chat, limits, calls).catch(() => 0)
    if (waitMs > 0) return noRoom(waitMs)
    const hasRoom = await roomFor(pace, { bot: paceName(botId, 'all'), overall, calls }).catch(() => true)
    if (!hasRoom) {
      await pace.giveBack(chat, calls).catch(() => undefined)
      return noRoom(busyMs)
    }
    const response = await call(method, payload, signal)
    const seconds = response.ok ? undefined : response.parameters?.retry_after
    if (response.ok || seconds === undefined) return response
    const turnMs = await pace.refused(chat, limits, { calls, pauseMs: seconds * 1_000 }).catch(() => 0)
    return { ...response, parameters: { ...response.parameters, retry_after: Math.max(seconds, turnMs / 1_000) } }
  }
}

const noRoom = (waitMs: number) => ({
  ok: false as const,
  error_code: 429,
  description: 'Too Many Requests: the chat has no room',
  parameters: { retry_after: waitMs / 1_000 },
})

/** For calls that need no room, or took it before: remembers the pauses that Telegram asks for. */
export function notePauses(pace: ChatPace, botId: string): Transformer {
  return async (call, method, payload, signal) => {
    const response = await call(method, payload, signal)
    const { chat_id: chatId } = payload as { chat_id?: number | string }
    const seconds = response.ok ? undefined : response.parameters?.retry_after
    if (seconds !== undefined && chatId !== undefined) {
      void pace.pause(paceName(botId, chatId), seconds * 1_000).catch(() => undefined)
    }
    return response
  }
}

/** Milliseconds between looks for room, and for how long at most: then the call is put off. */
const lookMs = 100
const patienceMs = 10_000
/** Until a call that was put off comes again. */
const busyMs = 2_000

interface Wanted {
  bot: string
  overall: readonly Window[]
  calls: number
}

async function roomFor(pace: ChatPace, { bot, overall, calls }: Wanted): Promise<boolean> {
  const until = Date.now() + patienceMs
  while (!(await pace.takeRoom(bot, overall, calls))) {
    if (Date.now() > until) return false
    await pause(lookMs)
  }
  return true
}
