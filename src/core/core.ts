/** What the core works with: built once in main.ts, handed to every function here as its first parameter. */
import type { Database } from '../db/database.ts'
import type { Log } from '../log.ts'
import type { News } from './events/news.ts'
import type { ChatSurface } from './ports/chat.ts'
import type { ImageTools } from './ports/images.ts'
import type { Meter } from './ports/meter.ts'
import type { Model } from './ports/models.ts'
import type { Enhancer } from './ports/providers.ts'
import type { JobQueue } from './ports/queue.ts'
import type { ObjectStore } from './ports/storage.ts'
import type { Providers } from './providers/registry.ts'

export interface Limits {
  /** Requests of one person accepted and not ended. */
  inFlight: number
  /** Requests of one person in a minute. */
  perMinute: number
  /** Milliseconds from accepted to ended. Below the 15 minutes for which Discord lets us edit an answer. */
  deadlineMs: number
  /** Milliseconds after a start whose answer was lost, in which the provider may still show that it took the task. */
  lostMs: number
  /** Milliseconds without a worker in a lane after which nobody is expected there any more. */
  goneMs: number
  /** Credits of a new account. */
  welcome: number
  /** Pictures of one upload: bytes each. */
  uploadBytes: number
  /** Milliseconds in which all pictures of one request have to come. */
  fetchMs: number
}

/** The models that can be drawn with now. */
export interface Catalogue {
  all(): readonly Model[]
  /** The id of the one for requests that name none, where it can do them: default-model.ts. */
  preferred(): string
  /** Those that such a provider can draw, set up or not. */
  of(provider: string): readonly Model[]
}

export interface Core {
  readonly database: Database
  readonly queue: JobQueue
  readonly store: ObjectStore
  readonly images: ImageTools
  readonly models: Catalogue
  readonly providers: Providers
  readonly news: News
  /** Absent: none is set up. */
  readonly enhancer?: Enhancer
  /** Whether prompts are enhanced when nobody says. */
  readonly enhanceByDefault: boolean
  readonly surfaces: ReadonlyMap<string, ChatSurface>
  readonly limits: Limits
  readonly secretKey: Buffer
  isAdmin(identity: string): boolean
  /** Absent: nobody watches. */
  readonly meter?: Meter
  readonly log: Log
}
