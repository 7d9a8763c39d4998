/** What the functions of the core work with. compose.ts builds it once; they take it as their first parameter. */
import type { Database } from '../db/database.ts'
import type { Log } from '../log.ts'
import type { AppError } from './errors.ts'
import type { GenerationEvents } from './events/events.ts'
import type { Expectations } from './history/expectations.ts'
import type { InputLimits } from './media/input-limits.ts'
import type { ThumbnailTurns } from './media/thumbnail-turns.ts'
import type { ChatSurface, Place } from './ports/chat.ts'
import type { ImageTools } from './ports/images.ts'
import type { Meter } from './ports/meter.ts'
import type { Model, PictureRequest, Quote } from './ports/models.ts'
import type { PackStore } from './ports/packs.ts'
import type { Enhancer } from './ports/providers.ts'
import type { JobQueue } from './ports/queue.ts'
import type { ObjectStore } from './ports/storage.ts'
import type { Providers } from './providers/registry.ts'

export interface AccountLimits {
  /** Requests that an account may have under way. */
  inFlight: number
  /** Requests that an account may make in a minute. */
  perMinute: number
  /** These apply even if the account or its tier has other limits. Absent: those come before these. */
  fixed?: true
}

export interface Limits extends AccountLimits {
  /** Milliseconds from acceptance to the usual deadline. Less than the 15 minutes for which Discord lets us edit an answer. */
  deadlineMs: number
  /** Least milliseconds that the deadline leaves beyond the timeout of the provider. */
  afterTimeoutMs: number
  /** Most milliseconds after a submission without an answer in which news of it are waited for (worker/lost.ts). */
  lostMs: number
  /** Milliseconds without a worker after which a lane counts as not served. */
  goneMs: number
  /** Credits that a new account gets. */
  welcome: number
  /** Credits that people get once a day. 0: none. */
  daily: number
  /** Most credits that roles give a person a day, in all groups together. 0: none. */
  roleCredits: number
  /** Credits that both the inviting and the invited person get. 0: there are no invitations. */
  referral: number
  /** Largest input picture, in bytes. */
  uploadBytes: number
  /** Milliseconds in which all input pictures of a request must arrive. */
  fetchMs: number
  /** Days that pictures are kept, except favourites. Absent: for ever. */
  pictureDays?: number
}

/** Models of the providers that are set up now. They change with the providers. */
export interface Catalogue {
  all(): readonly Model[]
  /** Id of the default model, for requests that name none (request/choose-model.ts). */
  preferred(): string
  /** Models that a provider serves, even if it is not set up. */
  of(provider: string): readonly Model[]
}

/** Prices and switches that administrators have set, as this process knows them. */
export interface Tariff {
  /** The model with today's prices and switch; the same object while they do not change. */
  applied(model: Model): Model
  /** Reads prices and switches again. */
  reload(): Promise<void>
}

/** A request that is about to be accepted. */
export interface Candidate extends AccountLimits {
  /** The person. Requests under way and in a minute count for this account. */
  userId: string
  /** The account that pays. Absent: that of the person. */
  payer?: string
  /** HMAC of the member of the group whose pool is the payer. Absent: the payer is no pool. */
  drawsAs?: string
  surface: string
  /** Absent: not in a chat. */
  place?: Place
  /** The identity that asks. Absent: a program. */
  member?: string
  request: PictureRequest
  price: number
  /** The parts of the price. */
  quote: Quote
}

/** Resolves to the reason to refuse a request, on every surface: limits, bans, rules of a group. undefined: no objection. */
export type Rule = (core: Core, candidate: Candidate) => Promise<AppError | undefined>

export interface Core {
  readonly database: Database
  readonly queue: JobQueue
  readonly store: ObjectStore
  readonly images: ImageTools
  readonly models: Catalogue
  readonly packs: PackStore
  /** `models` has its prices and switches already. */
  readonly tariff: Tariff
  /** Model, or model@provider → US dollars that we pay for a picture, where the operator has set them. */
  readonly modelCosts?: ReadonlyMap<string, number>
  readonly providers: Providers
  readonly events: GenerationEvents
  readonly expectations: Expectations
  /** Cache: identity, name and handle → account id. */
  readonly accountIds: Map<string, string>
  /** Bounds the thumbnails that are made on request in this process. */
  readonly thumbnailTurns: ThumbnailTurns
  /** Bounds the work and memory that input pictures take in this process. */
  readonly inputLimits: InputLimits
  /** Checked in this order before every acceptance. */
  readonly rules: readonly Rule[]
  /** Absent: prompt enhancement is not set up. */
  readonly enhancer?: Enhancer
  /** Whether to enhance prompts of requests that do not say. */
  readonly enhanceByDefault: boolean
  readonly surfaces: ReadonlyMap<string, ChatSurface>
  readonly limits: Limits
  readonly secretKey: Buffer
  /** A signed link to a picture of the store. */
  link(key: string): Promise<string>
  /** Where people open the page. */
  readonly publicUrl: string
  isAdmin(identity: string): boolean
  /** Identities of the administrators whom the settings name. */
  readonly admins: readonly string[]
  /** Absent: metrics are off. */
  readonly meter?: Meter
  readonly log: Log
}
