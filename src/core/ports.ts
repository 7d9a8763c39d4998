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

import type { Log } from '../log.ts'
import type { ErrorData } from './errors.ts'

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
  /** A small WebP, at most `edge` pixels on its longer side; never larger than the picture. */
  thumbnail(file: Pick<ImageFile, 'data'>, edge: number): Promise<ImageFile>
  /** The same picture as PNG. */
  png(file: Pick<ImageFile, 'data'>): Promise<ImageFile>
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
  /** How the program that asked wants to be shown its pictures. Absent: as is usual where it looks. */
  format?: string
}

export interface Range {
  min: number
  max: number
  integer?: boolean
}

/** What one route takes; whatever else is asked for is refused by name before any credit moves. */
export interface Takes {
  /** How many input pictures; { min: 0, max: 0 } is text only. */
  images: { min: number; max: number }
  /** Absent: words are needed. 'none': words are refused. 'optional': pictures alone will do. */
  prompt?: 'optional' | 'none'
  /** Most characters of a prompt. Absent: the service's own limit. */
  promptLimit?: number
  /** Most pictures in one request. */
  count: number
  /** Ratio → size in pixels. The first is the default. 'auto' → [0, 0]: the shape of the input picture. */
  aspects: Readonly<Record<string, readonly [width: number, height: number]>>
  /** Exact 'WxH' sizes, where it takes them: limits of either side in pixels. */
  sizes?: Range
  /** Parameters it takes and their ranges. */
  params: Readonly<Partial<Record<NumberParam, Range>>>
  negative?: boolean
  /** Most characters of what is not wanted. Absent: the service's own limit. */
  negativeLimit?: number
}

export interface Model {
  readonly id: string
  readonly aliases: readonly string[]
  readonly title: string
  /** Found by its name, but not offered in lists. */
  readonly hidden?: boolean
  /** Credits for one picture. */
  readonly price: number
  /**
   * In order of preference. The first that is set up and takes that number of pictures says what may be asked; another
   * serves in its place only when it takes the very same request.
   */
  readonly routes: readonly Route[]
}

/** Stands in a route's input for the nth input picture (from 0); the provider puts a link, a file or a name there. */
export interface ImageRef {
  $image: number
  [key: string]: Json
}

/** Stands in a route's input for a whole number beyond 2^53. */
export interface BigInteger {
  $integer: string
  [key: string]: Json
}

export interface Route {
  readonly provider: string
  readonly endpoint: string
  readonly takes: Takes
  /** The provider's own parameters for this request: pure. `images`: one for each input picture, in order. */
  input(request: PictureRequest, images: readonly ImageRef[]): Json
}

// ── Who draws ────────────────────────────────────────────────────────────────────────────────────────────────────

/** What a provider gets: one generation, mapped by the route. */
export interface Task {
  /** The generation's id: a UUID in canonical form, the same in every attempt. */
  readonly id: string
  readonly endpoint: string
  readonly input: Json
  readonly images: readonly ImageFile[]
  /** Where the input pictures can be fetched from outside, in order. Absent: nowhere, so send the bytes. */
  readonly imageUrls?: readonly string[]
  /** What the provider has told our webhook about this generation, verified by `receive`. */
  readonly message?: Json
}

/** Something that the person should know about a picture that did come. The words are in `locales`. */
export interface Note {
  kind: 'prompt_cut' | 'not_enhanced' | 'some_missing'
  data?: ErrorData
}

export type Progress =
  | {
      state: 'pending'
      /** JSON, saved when it changes: all that `check` needs in another process. */
      ticket: Json
      /** `check` is called again after this; 0 where `check` itself waits for news. */
      waitMs: number
      /** Place in the provider's queue, from 1. */
      position?: number
      percent?: number
      /** Encoded bytes of how far it is; not checked yet. */
      preview?: Buffer
    }
  | { state: 'done'; images: Buffer[]; seed?: string; notes?: readonly Note[] }

/** What runs behind a provider that is the operator's own. */
export interface Inspection {
  servers: readonly InspectedServer[]
  /** Folder of models, as the provider calls it → files that at least one server can load, in alphabetical order. */
  files: Readonly<Record<string, readonly string[]>>
}

export interface InspectedServer {
  /** For operators only; without a name and password. */
  url: string
  /** Whether it answers. What follows is absent when it does not, or does not say. */
  connected: boolean
  /** Runs waiting and running there, whoever sent them. */
  busy?: number
  version?: string
  /** Memory in bytes. */
  devices?: readonly { name: string; type: string; memoryTotal?: number; memoryFree?: number }[]
}

export interface ImageProvider {
  readonly name: string
  /**
   * True when starting twice costs and changes nothing outside this process. All others are never started again once
   * a start may have reached them.
   */
  readonly repeatable?: boolean
  /**
   * One submission, never repeated inside. Synchronous providers answer 'done' here, or, where the answer is links, at once
   * with those as the ticket, so that what is paid for is saved before it is fetched. Rejects
   * with an AppError; `neverRan` in it says that nothing was started that could be paid for. The signal aborts when the
   * generation is over or no longer ours: every socket and timer held for it goes with it. Where there is `cancel`, it
   * does not abort before the answer is there, so that what was started can be cancelled.
   */
  start(task: Task, signal: AbortSignal): Promise<Progress>
  /** Asked again every `waitMs`; the ticket was saved before, so a restart resumes and never pays twice. */
  check?(ticket: Json, task: Task, signal: AbortSignal): Promise<Progress>
  /**
   * After a start whose answer was lost: looks for what became of it. 'never': it did not arrive and may be started
   * again; 'unknown': it may still show itself.
   */
  find?(task: Task, signal: AbortSignal): Promise<Progress | 'never' | 'unknown'>
  /** Harmless when it is over already. */
  cancel?(ticket: Json): Promise<void>
  /** A call of our webhook: what `check` or `find` will get as `task.message`. Rejects with AppError 'forged'. */
  receive?(call: { headers: Readonly<Record<string, string | undefined>>; body: Buffer }): Promise<Json>
  /** Whether address and key work, at no cost. Rejects with an AppError. Absent: it cannot be known for free. */
  test?(signal: AbortSignal): Promise<void>
  /** What it runs on, at most 10 s old and within 5 s; servers that are away are said to be. Absent: it does not say. */
  inspect?(): Promise<Inspection>
  /** Lets go of connections; tasks under way end with errors. */
  close?(): Promise<void>
}

/** How to reach a provider, from a stored configuration or the environment. */
export interface ProviderSettings {
  /** Without a slash at the end. Several, comma-separated, where the provider takes them (ComfyUI). */
  baseUrl: string
  key?: string
  /** Milliseconds that one generation may take. */
  timeoutMs: number
  /** Generations at the same time, over all processes. */
  concurrency: number
  /** Steps when the request names none, where the provider's own default is not wanted. */
  steps?: number
}

export interface ProviderContext {
  /** Where the provider can tell us about a task. Absent: it cannot reach us. */
  webhookUrl?(taskId: string): string
  log: Log
}

/** A provider that can be set up. */
export interface ProviderKind {
  readonly name: string
  /** For people: 'fal.ai'. */
  readonly title: string
  /** Absent: an address must be configured. */
  readonly defaultUrl?: string
  readonly needsKey: boolean
  create(settings: ProviderSettings, context: ProviderContext): ImageProvider
}

/** Makes prompts better, and English. */
export interface Enhancer {
  /** The model's name, for people. */
  readonly model: string
  /** Rejects with an AppError when there is no better prompt in time. `instruction`: absent, its own. */
  enhance(prompt: string, options: { instruction?: string; signal: AbortSignal }): Promise<string>
  close(): Promise<void>
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
  /** Rejects with AppError 'image_too_big' past `limitBytes`, or 'image_unreachable'. `signal`: nobody waits any more. */
  load(limitBytes: number, signal?: AbortSignal): Promise<Buffer>
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
  /** Nobody but the asker can read the answer, or what is `private` in it. Absent: nobody knows. */
  isPrivate?: boolean
}

export interface Reply {
  /** Plain text in the person's language; surfaces escape it. */
  text: string
  /** waiting: will be edited · done, failed: how the request ended · info: any other answer. */
  state: 'waiting' | 'done' | 'failed' | 'info'
  /** For the asker's eyes only, where the surface can do that. */
  private?: boolean
  /** With 'waiting': how far it is. `key` is '' then: it is kept nowhere. */
  images?: readonly { file: ImageFile; key: string; name: string; alt: string }[]
  /** 0–100. Absent: unknown. */
  percent?: number
}

export interface ChatSurface {
  readonly name: string
  /** True when posting again to one address shows a second message: then only edits of a remembered one are repeated. */
  readonly postsAnew?: boolean
  /** Milliseconds between edits of a waiting message. Absent: as often as chats bear it. */
  readonly paceMs?: number
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
  /** Whether links can be opened from outside this machine and its network. */
  readonly reachable: boolean
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
  /** Opens lanes that are new and changes how many jobs of each run at the same time, in all processes together. */
  setLanes(lanes: readonly { name: string; concurrency: number }[]): Promise<void>
  /** Jobs waiting in a lane. */
  waiting(lane: string): Promise<number>
  /** undefined when ready, else what is missing. */
  notReady(): string | undefined
  /** Takes no more jobs; aborts what still runs after `graceMs`, so that another worker can have it. */
  close(graceMs: number): Promise<void>
}
