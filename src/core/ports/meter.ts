/** Told of what this process does, for those who watch the service. What all of them do together is in the database. */
import type { ErrorKind } from '../errors.ts'
import type { Generation } from '../generation/row.ts'

export interface Meter {
  /** A generation has ended, and this process ended it. `seconds`: since it was accepted, where that is known. */
  ended(generation: Pick<Generation, 'provider' | 'model' | 'address'>, how: HowEnded, seconds?: number): void
  /** A provider was asked for a generation, and it took so long until it answered or did not. */
  drew(provider: string, how: 'done' | ErrorKind, seconds: number): void
}

export interface HowEnded {
  state: 'delivered' | 'failed' | 'cancelled'
  /** Only of what failed. */
  error?: ErrorKind
}

/** Seconds since it was accepted. */
export const ageOf = (generation: Pick<Generation, 'ageMs' | 'takenAt'>) =>
  (generation.ageMs + Date.now() - generation.takenAt) / 1000
