/**
 * Limits of what pictures of people may cost this process before their request is paid for: bytes in memory, of all accounts
 * and of each, and requests that decode at the same time.
 */
import { AppError } from '../errors.ts'
import { createTurns, type Turns } from './turns.ts'

export interface InputLimits {
  /** Decodes pictures of a few requests at a time. */
  decode: Turns
  memory: MemoryBudget
}

/** A request that waits for its turn has its pictures in memory, which the budget bounds. */
const decodeLimits = { atATime: 8, waiting: 200 }
/** Pictures of the largest size, for eight requests of fourteen. */
const picturesInMemory = 8 * 14

export function createInputLimits({ uploadBytes }: { uploadBytes: number }): InputLimits {
  return { decode: createTurns(decodeLimits), memory: createMemoryBudget(picturesInMemory * uploadBytes) }
}

export interface MemoryBudget {
  /** Throws AppError too_many_in_flight when the account has `most.places` reservations already. */
  enter(userId: string, most: AccountBudget): Reservation
}

export interface AccountBudget {
  places: number
  bytes: number
}

export interface Reservation {
  /** Reserves bytes before they arrive; call the result with how many did. Throws AppError overloaded. */
  take(bytes: number): (arrived: number) => void
  /** Gives everything back. */
  leave(): void
}

/** `totalBytes`: of all accounts together. A caller never waits for memory, so that two cannot wait for each other. */
export function createMemoryBudget(totalBytes: number): MemoryBudget {
  const accounts = new Map<string, AccountBudget>()
  let total = 0

  return {
    enter(userId, most) {
      const account = accounts.get(userId) ?? { places: 0, bytes: 0 }
      if (account.places >= most.places) throw new AppError('too_many_in_flight', { limit: most.places })
      accounts.set(userId, account)
      account.places++
      let own = 0
      let left = false

      function change(bytes: number): void {
        // bytes of a download that ended after `leave` were given back already
        if (left) return
        own += bytes
        account.bytes += bytes
        total += bytes
      }

      return {
        take(bytes) {
          if (account.bytes + bytes > most.bytes || total + bytes > totalBytes) throw new AppError('overloaded')
          change(bytes)
          return (arrived) => change(arrived - bytes)
        },
        leave() {
          change(-own)
          left = true
          account.places--
          if (account.places === 0) accounts.delete(userId)
        },
      }
    },
  }
}
