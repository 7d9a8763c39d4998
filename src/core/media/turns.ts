/** Limits how much costly work one process does at the same time. */
import { AppError } from '../errors.ts'

/** Runs the work when it is its turn. Rejects with AppError overloaded when too many wait already. */
export type Turns = <T>(work: () => Promise<T>) => Promise<T>

export interface TurnLimits {
  atATime: number
  waiting: number
}

/** Pictures that a process decodes at the same time. Fewer than the 4 threads of Node's pool, so that files and DNS never wait. */
const decodedAtATime = 2

/**
 * For all that decodes or encodes pictures in this process. The number of waiting calls is not limited: uploads and thumbnails
 * have limits of their own, and results are paid for.
 */
export const createDecodeTurns = () => createTurns({ atATime: decodedAtATime, waiting: Number.POSITIVE_INFINITY })

export function createTurns({ atATime, waiting: mostWaiting }: TurnLimits): Turns {
  const waiting: (() => void)[] = []
  let working = 0
  return async (work) => {
    if (working < atATime) working++
    else if (waiting.length < mostWaiting) await new Promise<void>((resolve) => waiting.push(resolve))
    else throw new AppError('overloaded')
    try {
      return await work()
    } finally {
      // passed on rather than freed, so that no newcomer gets ahead of those that wait
      const next = waiting.shift()
      if (next) next()
      else working--
    }
  }
}
