/** What the core works with: built once in main.ts, handed to every function here as its first parameter. */
import type { Database } from '../db/db.ts'
import type { Log } from '../log.ts'
import type { ChatSurface, ImageProvider, ImageTools, JobQueue, Model, ObjectStore } from './ports.ts'

export interface Limits {
  /** Requests of one person accepted and not ended. */
  inFlight: number
  /** Requests of one person in a minute. */
  perMinute: number
  /** Milliseconds that one provider may take for one request. */
  providerMs: number
  /** Milliseconds from accepted to ended. Below the 15 minutes for which Discord lets us edit an answer. */
  deadlineMs: number
  /** Credits of a new account. */
  welcome: number
  /** Pictures of one upload: bytes each. */
  uploadBytes: number
}

export interface Core {
  readonly database: Database
  readonly queue: JobQueue
  readonly store: ObjectStore
  readonly images: ImageTools
  readonly models: readonly Model[]
  readonly defaultModel: string
  readonly providers: ReadonlyMap<string, ImageProvider>
  /** How many generations one provider may have at once, over all processes. */
  readonly concurrency: number
  readonly surfaces: ReadonlyMap<string, ChatSurface>
  readonly limits: Limits
  readonly secretKey: Buffer
  isAdmin(identity: string): boolean
  readonly log: Log
}
