/** What the core works with: built once by compose.ts, and the first parameter of every function here. */
import type { Database } from '../db/database.ts'
import type { Log } from '../log.ts'
import type { AppError } from './errors.ts'
import type { GenerationEvents } from './events/events.ts'
import type { InputLimits } from './media/input-limits.ts'
import type { ChatSurface, Place } from './ports/chat.ts'
import type { ImageTools } from './ports/images.ts'
import type { Meter } from './ports/meter.ts'
import type { Model, PictureRequest } from './ports/models.ts'
import type { Enhancer } from './ports/providers.ts'
import type { JobQueue } from './ports/queue.ts'
import type { ObjectStore } from './ports/storage.ts'
import type { Providers } from './providers/registry.ts'

export interface Limits {
  /** Requests of one person under way. */
  inFlight: number
  /** Requests of one person in a minute. */
  perMinute: number
  /** Milliseconds from acceptance to the end. Below the 15 minutes for which Discord lets us edit an answer. */
  deadlineMs: number
  /** Milliseconds after an unanswered submission in which the provider may still show that it received it. */
  lostMs: number
  /** Milliseconds without a worker after which a lane counts as not served. */
  goneMs: number
  /** Credits of a new account. */
  welcome: number
  /** Bytes of one picture that a person sends. */
  uploadBytes: number
  /** Milliseconds in which all pictures of a request have to arrive. */
  fetchMs: number
}

/** The models of the providers that are set up now. */
export interface Catalogue {
  all(): readonly Model[]
  /** Id of the default model of requests that name none (request/default-model.ts). */
  preferred(): string
  /** Models that this provider serves, whether it is set up or not. */
  of(provider: string): readonly Model[]
}

/** A request that is about to be accepted. */
export interface Candidate {
  userId: string
  surface: string
  /** Absent: not in a chat. */
  place?: Place
  request: PictureRequest
  price: number
  inFlight: number
  perMinute: number
}

/** A reason to refuse, for every surface alike: limits, bans, rules of a group. undefined: none. */
export type Rule = (core: Core, candidate: Candidate) => Promise<AppError | undefined>

export interface Core {
  readonly database: Database
  readonly queue: JobQueue
  readonly store: ObjectStore
  readonly images: ImageTools
  readonly models: Catalogue
  readonly providers: Providers
  readonly events: GenerationEvents
  /** Identity, name and handle → account id, of people seen lately. */
  readonly accountIds: Map<string, string>
  /** How much work and memory pictures of people may take in this process. */
  readonly inputLimits: InputLimits
  /** Asked in this order before every acceptance. */
  readonly rules: readonly Rule[]
  /** Absent: prompt enhancement is not set up. */
  readonly enhancer?: Enhancer
  /** Enhance prompts of requests that do not say. */
  readonly enhanceByDefault: boolean
  readonly surfaces: ReadonlyMap<string, ChatSurface>
  readonly limits: Limits
  readonly secretKey: Buffer
  isAdmin(identity: string): boolean
  /** Absent: no metrics. */
  readonly meter?: Meter
  readonly log: Log
}
