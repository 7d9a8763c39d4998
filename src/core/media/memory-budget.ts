/** Room for what comes from outside and is kept in memory: so much in one process, and so much of it for one account. */
import { AppError } from '../errors.ts'

export interface MemoryBudget {
  /** Throws AppError too_many_in_flight when the account has as many places as it may. */
  enter(whose: string, most: Most): Reservation
}

/** What one account may have. */
export interface Most {
  places: number
  bytes: number
}

export interface Reservation {
  /** For bytes that are about to come; to be told how many came. Throws AppError overloaded when there is no room for them. */
  take(bytes: number): (came: number) => void
  /** Nothing of it is kept any more. */
  leave(): void
}

interface Held {
  places: number
  bytes: number
}

/** `mostBytes`: of all accounts together. Nobody waits for room, so that those who have some cannot wait for each other. */
export function createMemoryBudget(mostBytes: number): MemoryBudget {
  const accounts = new Map<string, Held>()
  let all = 0

  return {
    enter(whose, most) {
      const account = accounts.get(whose) ?? { places: 0, bytes: 0 }
      if (account.places >= most.places) throw new AppError('too_many_in_flight', { limit: most.places })
      accounts.set(whose, account)
      account.places++
      let own = 0
      let left = false

      function change(bytes: number): void {
        // whoever came too late has left before
        if (left) return
        own += bytes
        account.bytes += bytes
        all += bytes
      }

      return {
        take(bytes) {
          if (account.bytes + bytes > most.bytes || all + bytes > mostBytes) throw new AppError('overloaded')
          change(bytes)
          return (came) => change(came - bytes)
        },
        leave() {
          change(-own)
          left = true
          account.places--
          if (account.places === 0) accounts.delete(whose)
        },
      }
    },
  }
}
