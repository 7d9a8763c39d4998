/** Counts what this process does, for metrics. What all processes do together is in the database. */
import type { ErrorKind } from '../errors.ts'
import type { Announced } from './chat.ts'

export interface Meter {
  /** This process ended a generation. `seconds`: since acceptance, where known. */
  ended(generation: Metered, how: HowEnded, seconds?: number): void
  /** A provider was asked for a generation, and its answer or failure took so many seconds. */
  drew(provider: string, how: 'done' | ErrorKind, seconds: number): void
  /** A try to show an answer in a chat failed. */
  notDelivered(surface: string, error: ErrorKind): void
  /** A try to put a picture into the store failed. */
  notStored(): void
  /** A broadcast was sent to one person, or could not be. */
  announced(surface: string, how: Announced['how']): void
}

export interface Metered {
  surface: string
  provider: string
  model: string
}

export interface HowEnded {
  state: 'delivered' | 'failed' | 'cancelled'
  /** Of failures only. */
  error?: ErrorKind
}
