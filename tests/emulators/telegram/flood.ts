/** Telegram's limits on messages and edits per time, which answer 429. */
import { tooManyRequests } from './errors.ts'
import type { FloodLimits } from './types.ts'

export interface Flood {
  /** Replaces the limits; undefined turns them off. */
  limit(limits: FloodLimits | undefined): void
  /** Counts a message or edit. Throws 429 if the chat or the bot is over a limit. */
  count(chat: { id: number; type: string }, messages?: number): void
}

interface Window {
  key: string
  max: number
  ms: number
}

/** `initial`: undefined means none. */
export function createFlood(initial: FloodLimits | undefined): Flood {
  let limits = initial ?? {}
  /** Times of the accepted messages and edits in Unix milliseconds, by window. */
  const accepted = new Map<string, number[]>()

  function windowsOf({ id, type }: { id: number; type: string }): Window[] {
    const { perChatPerSecond, burstSeconds = 1, perGroupPerMinute, perSecond, minuteMs = 60_000 } = limits
    return [
      { key: `second:${id}`, max: perChatPerSecond && perChatPerSecond * burstSeconds, ms: burstSeconds * 1000 },
      { key: `minute:${id}`, max: type === 'private' ? undefined : perGroupPerMinute, ms: minuteMs },
      { key: 'bot', max: perSecond, ms: 1000 },
    ].filter((window): window is Window => window.max !== undefined)
  }

  return {
    limit(next = {}) {
      limits = next
      accepted.clear()
    },

    count(chat, messages = 1) {
      const at = Date.now()
      const windows = windowsOf(chat)
      const waits = windows.map(({ key, max, ms }) => {
        const recent = (accepted.get(key) ?? []).filter((time) => time > at - ms)
        accepted.set(key, recent)
        const excess = recent.length + messages - max
        // an album that is larger than the limit still passes when nothing else was sent
        return excess <= 0 || recent.length === 0 ? 0 : recent[Math.min(excess, recent.length) - 1]! + ms - at
      })
      const waitMs = Math.max(0, ...waits)
      if (waitMs > 0) throw tooManyRequests(Math.ceil(waitMs / 1000))
      for (const { key } of windows) accepted.get(key)!.push(...Array<number>(messages).fill(at))
    },
  }
}
