/** Callback queries: each is answered once, within its lifetime. */
import { badRequest, queryTooOld } from './errors.ts'
import type { CallbackAnswer } from './types.ts'

const MAX_ANSWER = 200

export interface Presses {
  add(queryId: string, ageMs: number): void
  /** Throws Telegram's error for an unknown, expired or answered query. */
  answer(queryId: string, answer: CallbackAnswer): void
  /** Absent: not answered. */
  answerTo(queryId: string): CallbackAnswer | undefined
  expire(queryId: string): void
}

export function createPresses(lifeMs: number): Presses {
  const presses = new Map<string, { expiresAt: number; answer?: CallbackAnswer }>()
  return {
    add: (queryId, ageMs) => void presses.set(queryId, { expiresAt: Date.now() - ageMs + lifeMs }),

    answer(queryId, answer) {
      const press = presses.get(queryId)
      if (!press || press.answer || Date.now() >= press.expiresAt) throw queryTooOld()
      if ((answer.text ?? '').length > MAX_ANSWER) throw badRequest('MESSAGE_TOO_LONG')
      press.answer = answer
    },

    answerTo: (queryId) => presses.get(queryId)?.answer,

    expire(queryId) {
      const press = presses.get(queryId)
      if (press) press.expiresAt = 0
    },
  }
}
