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

/**
 * All that a chat permits: twice what edits that show progress may take in a minute. The times are longer by a tenth, because calls take
 * different times to arrive.
 */
const answerRoom = (windows: readonly Window[]): Window[] =>
  windows.map(({ calls, ms }) => ({ calls: calls > aSecond.calls ? 2 * calls : calls, ms: ms * 1.1 }))

/** Progress leaves a sixth of the bot's room to answers and results. */
export const progressRoom = (pace: TelegramPace): Window[] => shareOf(pace, 5 / 6)

/** Announcements leave a third to all others, and stop while these need more. */
export const announcementRoom = (pace: TelegramPace): Window[] => shareOf(pace, 2 / 3)

/** Ids of groups are negative. */
export const isGroup = (chatId: number) => chatId < 0

export const paceName = (botId: string, chatId: number | string) => `telegram:${botId}:${chatId}`

const counted = /^(send(?!ChatAction)|edit|copy|forward)/

/**
 * Waits for the room of the whole bot, and for that of a chat where Telegram has refused a call, counts calls on their way, and remembers
 * the pauses that Telegram asks for.
 */
export function countCalls(pace: ChatPace, botId: string, limits: TelegramPace): Transformer {
  const turns = createTurns()
  return async (call, method, payload, signal) => {
    const { chat_id: chatId, media } = payload as { chat_id?: number | string; media?: unknown }
    if (chatId === undefined || !counted.test(method)) return call(method, payload, signal)
    const chat = paceName(botId, chatId)
    const calls = Array.isArray(media) ? media.length : 1
    // a failed count must not fail the call: Telegram counts as well
    const ignore = () => undefined
    const hasRoom = () => pace.takeRoom(paceName(botId, 'all'), limits.overall, calls)
    await become(hasRoom, patienceMs).catch(ignore)
    const windows = answerRoom(isGroup(Number(chatId)) ? limits.group : limits.private)
    const hasTurn = await turns(chat, () => pace.takeTurn(chat, windows, calls))
    if (!hasTurn) void pace.count(chat, calls).catch(ignore)
    const response = await call(method, payload, signal)
    const seconds = response.ok ? undefined : response.parameters?.retry_after
    if (seconds !== undefined) await pace.pause(chat, seconds * 1_000, calls).catch(ignore)
    return response
  }
}

/** Milliseconds between looks for room, and for how long at most: then Telegram decides. */
const lookMs = 100
const patienceMs = 10_000
/** Of the calls that wait in a chat, the first one alone looks for room, so that many of them do not keep the database busy. */
function createTurns(): (chat: string, take: () => Promise<boolean>) => Promise<boolean> {
  /** Settles once the last one that waits in a chat has its turn. */
  const waiting = new Map<string, Promise<boolean>>()
  const failed = () => false
  return async (chat, take) => {
    if (!waiting.has(chat) && (await take().catch(failed))) return true
    const until = Date.now() + turnMs
    const before = waiting.get(chat) ?? Promise.resolve(true)
    const turn = before.then(() => become(take, until - Date.now())).catch(failed)
    waiting.set(chat, turn)
    const taken = await turn
    if (waiting.get(chat) === turn) waiting.delete(chat)
    return taken
  }
}

/** As long as the longest window: then there is room again, unless others keep taking it. */
const turnMs = 60_000

async function become(isTrue: () => Promise<boolean>, withinMs: number): Promise<boolean> {
  const until = Date.now() + withinMs
  for (;;) {
    if (await isTrue()) return true
    if (Date.now() >= until) return false
    await pause(lookMs)
  }
}
