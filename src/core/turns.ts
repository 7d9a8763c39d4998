/** How many do costly work at the same time in one process. */
import { AppError } from './errors.ts'

export interface Turns {
  /** Waits for a place. Throws AppError too_many_in_flight at once when `whose` has `most` already. */
  run<T>(whose: string, most: number, work: () => Promise<T>): Promise<T>
}

export function createTurns(places: number): Turns {
  const counts = new Map<string, number>()
  const waiting: (() => void)[] = []
  let free = places

  function count(whose: string, change: number): void {
    const now = (counts.get(whose) ?? 0) + change
    if (now === 0) counts.delete(whose)
    else counts.set(whose, now)
  }

  return {
    async run(whose, most, work) {
      if ((counts.get(whose) ?? 0) >= most) throw new AppError('too_many_in_flight', { limit: most })
      count(whose, 1)
      try {
        if (free > 0) free--
        else await new Promise<void>((resolve) => waiting.push(resolve))
        try {
          return await work()
        } finally {
          // handed on rather than freed, so that nobody slips in between
          const next = waiting.shift()
          if (next) next()
          else free++
        }
      } finally {
        count(whose, -1)
      }
    },
  }
}
