/**
 * The interfaces that everything around the core fills in. Read this first.
 *
 * request     what somebody asked for, understood: `PictureRequest`
 * generation  one accepted request and all that became of it: a row in Postgres
 * model       what a person chooses; route: one provider's endpoint that can serve it
 * ticket      a provider's reference to work under way, saved before we wait for it
 * surface     a chat (Discord, Telegram, the page); call: something a person did there; reply: what we answer
 * hold, capture, release   credits put aside, kept, given back
 */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

export type ImageType = 'image/png' | 'image/jpeg' | 'image/webp'

/** A checked picture: decodable, of an allowed type, without metadata. Sizes in pixels. */
export interface ImageFile {
  data: Buffer
  type: ImageType
  width: number
  height: number
}

/** The checks and conversions that every picture passes through. All reject with an `AppError`. */
export interface ImageTools {
  /** A person's upload: decoded in full and encoded anew, so that nothing of the original file survives. */
  clean(bytes: Buffer): Promise<ImageFile>
  /** A provider's result: decoded in full, its pixels kept as they are, metadata stripped. */
  keep(bytes: Buffer): Promise<ImageFile>
  /** A small WebP, at most `edge` pixels on its longer side. */
  thumbnail(file: ImageFile, edge: number): Promise<ImageFile>
}

// ── What is asked for ────────────────────────────────────────────────────────────────────────────────────────────

export const numberParams = ['seed', 'steps', 'guidance', 'strength'] as const
export type NumberParam = (typeof numberParams)[number]

/** A request as words and flags, before any model has looked at it. Absent means: not said. */
export interface Wish {
  prompt: string
  model?: string
  /** '16:9', or '640x480'. */
  aspect?: string
  count?: number
  /** A whole number; kept as text because seeds may exceed 2^53. */
  seed?: string
  steps?: number
  guidance?: number
  strength?: number
  negative?: string
  enhance?: boolean
}

/** A request that a model has agreed to. Sizes in pixels. */
export interface PictureRequest {
  prompt: string
  model: string
  aspect: string
  width: number
  height: number
  count: number
  /** Number of input pictures. */
  images: number
  seed?: string
  steps?: number
  guidance?: number
  strength?: number
  negative?: string
  enhance?: boolean
}

export interface Range {
  min: number
  max: number
  integer?: boolean
}

export interface Model {
  readonly id: string
  readonly aliases: readonly string[]
  readonly title: string
  readonly takes: {
    /** How many input pictures; { min: 0, max: 0 } is text only. */
    images: { min: number; max: number }
    /** Most pictures in one request. */
    count: number
    /** Ratio → size in pixels. The first is the default. */
    aspects: Readonly<Record<string, readonly [width: number, height: number]>>
    /** Exact 'WxH' sizes, where the model takes them: limits of either side in pixels. */
    sizes?: Range
    /** Parameters it takes and their ranges; anything else is refused by name. */
    params: Readonly<Partial<Record<NumberParam, Range>>>
    negative?: boolean
  }
  /** Credits for one picture. */
  readonly price: number
  /** In order of preference; the first that fits the request serves it. */
  readonly routes: readonly Route[]
}

export interface Route {
  readonly provider: string
  readonly endpoint: string
  /** Absent: serves every request that the model takes. */
  fits?(request: PictureRequest): boolean
  /** The provider's own parameters for this request: pure. */
  input(request: PictureRequest): Json
}

// ── Who draws ────────────────────────────────────────────────────────────────────────────────────────────────────

/** What a provider gets: one generation, mapped by the route. */
export interface Task {
  readonly id: string
  readonly endpoint: string
  readonly input: Json
  readonly images: readonly ImageFile[]
}

export type Progress =
  | { state: 'pending'; ticket: Json; waitMs: number; position?: number; percent?: number; preview?: ImageFile }
  | { state: 'done'; images: Buffer[]; seed?: string }

export interface ImageProvider {
  readonly name: string
  /**
   * True when starting twice costs and changes nothing outside this process. All others are never started again once
   * a start may have reached them.
   */
  readonly repeatable?: boolean
  /** Synchronous providers answer 'done' here and implement nothing else. */
  start(task: Task, signal: AbortSignal): Promise<Progress>
  /** Asked again every `waitMs`; the ticket was saved before, so a restart resumes and never pays twice. */
  check?(ticket: Json, task: Task, signal: AbortSignal): Promise<Progress>
  cancel?(ticket: Json): Promise<void>
}

// ── Where people are ─────────────────────────────────────────────────────────────────────────────────────────────

/** 'discord:…', 'telegram:-100123:45'. Opaque to all but its surface, so it survives queues and restarts. */
export type Address = `${string}:${string}`

/** A message that we have posted and can edit. Opaque like an address. */
export type Posted = `${string}:${string}`

export type Locale = 'en' | 'zh'

/** A picture that came with a call. */
export interface Attachment {
  name: string
  /** What the platform says; it may lie. Absent: it did not say. */
  bytes?: number
  /** Rejects with AppError 'image_too_big' past `limitBytes`, or 'image_unreachable'. */
  load(limitBytes: number): Promise<Buffer>
}

/** Something a person did on a surface. */
export interface Call {
  /** The same for each delivery of the same act: 'discord:<interaction id>'. Nothing happens twice for one key. */
  key: string
  surface: string
  address: Address
  /** `id` is 'discord:123'; `name` is for people to read; `handle` is what follows '@', where the platform has that. */
  from: { id: string; name: string; handle?: string }
  locale: Locale
  /** The command's word without its slash; '' for a plain message, which is a request. */
  command: string
  /** What follows the command. */
  text: string
  /** Typed options, where the platform has them; they win over flags in the text. */
  options: Readonly<Record<string, string | number | boolean>>
  images: readonly Attachment[]
}

export interface Reply {
  /** Plain text in the person's language; surfaces escape it. */
  text: string
  /** waiting: will be edited · done, failed: how the request ended · info: any other answer. */
  state: 'waiting' | 'done' | 'failed' | 'info'
  /** For the asker's eyes only, where the surface can do that. */
  private?: boolean
  images?: readonly { file: ImageFile; key: string; name: string; alt: string }[]
  /** 0–100. Absent: unknown. */
  percent?: number
}

export interface ChatSurface {
  readonly name: string
  /** True when posting again to one address shows a second message: then only edits of a remembered one are repeated. */
  readonly postsAnew?: boolean
  /** Connects and calls `handle` for each thing people do; resolves when the platform has accepted us. */
  start(handle: (call: Call) => Promise<void>): Promise<void>
  /** Takes no more calls, waits for those being handled. */
  stop(): Promise<void>
  /** undefined when ready, else a sentence that says what is missing. Only asked where `start` was called. */
  notReady(): string | undefined
  /** Both may be called from any process, started or not. Reject with AppError 'chat_refused' or 'chat_unavailable'. */
  post(address: Address, reply: Reply): Promise<Posted>
  edit(posted: Posted, reply: Reply): Promise<Posted>
}

// ── What carries and keeps ───────────────────────────────────────────────────────────────────────────────────────

export interface StoredObject {
  data: Buffer
  type: string
}

export interface ObjectStore {
  /** Overwrites. Keys look like 'image/<id>/<n>-<random>.png'. */
  put(key: string, body: Buffer, type: string): Promise<void>
  /** undefined when there is no such object. */
  get(key: string): Promise<StoredObject | undefined>
  /** An address that anybody may open until it expires. */
  link(key: string, ttlSeconds: number): Promise<string>
  /** Deleting what is not there is no error. */
  delete(key: string): Promise<void>
}

/** One job: which generation, in which lane (a provider's queue), before whom (1 is first). */
export interface Job {
  id: string
  lane: string
  priority: number
  /** Begun before and cut short: it goes before all others, even if it waits in the queue already. */
  resumed?: boolean
}

/** Carries ids, never data. At least once: the row decides what a job still has to do. */
export interface JobQueue {
  /** Adding what is already queued or running changes nothing. */
  add(job: Job): Promise<void>
  /**
   * Runs jobs of all lanes. `run` resolves to undefined when the job is over, or to `againMs` to be called again later
   * without holding a place. The signal aborts when this process must let go.
   */
  work(run: (id: string, signal: AbortSignal) => Promise<{ againMs: number } | undefined>): Promise<void>
  /** Jobs waiting in a lane. */
  waiting(lane: string): Promise<number>
  /** undefined when ready, else what is missing. */
  notReady(): string | undefined
  /** Takes no more jobs; aborts what still runs after `graceMs`, so that another worker can have it. */
  close(graceMs: number): Promise<void>
}
