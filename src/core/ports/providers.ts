/**
 * Image services.
 *
 * ticket  a provider's reference to work under way, saved before we wait for the work
 */
import type { Json } from '../../db/json.ts'
import type { Log } from '../../log.ts'
import type { Turns } from '../media/turns.ts'
import type { ImageFile } from './images.ts'
import type { Continuation, Note, ResultPlace } from './models.ts'

/** One generation as a provider gets it, mapped by the route. */
export interface Task {
  /** The generation's id: a UUID in canonical form, the same in every attempt. */
  readonly id: string
  readonly endpoint: string
  readonly input: Json
  readonly images: readonly ImageFile[]
  /** Public links of the input pictures, in order. Send the bytes of those that have none. */
  readonly imageUrls?: readonly (string | undefined)[]
  /** Most bytes of a result picture. Absent: the provider's own limit, which suits pictures of a few megapixels. */
  readonly pictureBytes?: number
  /** Pictures that the request asks for. Absent: as the input says, where the provider understands it. */
  readonly count?: number
  /** Where the provider's answer holds the result. Absent: where this provider usually has it. */
  readonly result?: ResultPlace
  /** Pictures that the provider flags as unsuitable for some are wanted as well, and marked. Absent: they are left out. */
  readonly flaggedToo?: boolean
  /** The provider's latest webhook message about this generation, from `receive`. */
  readonly webhookMessage?: Json
}

export type Progress =
  | {
      state: 'pending'
      /** All that `check` needs in another process; saved when it changes. */
      ticket: Json
      /** Milliseconds until the next call of `check`. 0: `check` itself waits for a change. */
      waitMs: number
      /** Position in the provider's queue, from 1. */
      position?: number
      percent?: number
      /** Encoded preview picture, not checked yet. */
      preview?: Buffer
    }
  | {
      state: 'done'
      images: Buffer[]
      /** Of each picture. Absent: of none. */
      flagged?: readonly boolean[]
      seed?: string
      notes?: readonly Note[]
      /** Replaces the ticket, for `continuations`. */
      ticket?: Json
    }

/** The servers and models behind a provider that the operator runs. */
export interface Inspection {
  servers: readonly InspectedServer[]
  /** The provider's name of a model folder → files that at least one server can load, in alphabetical order. */
  files: Readonly<Record<string, readonly string[]>>
}

export interface InspectedServer {
  /** For operators only. Contains no user name or password. */
  url: string
  /** Whether the server responds. The fields below are absent if it does not, or does not report them. */
  connected: boolean
  /** Runs waiting and running there, including those of other clients. */
  busy?: number
  version?: string
  /** Memory sizes in bytes. */
  devices?: readonly { name: string; type: string; memoryTotal?: number; memoryFree?: number }[]
}

/** A request as a provider would send it, to show. It contains no secret. */
export interface Submission {
  method: string
  url: string
  headers: Readonly<Record<string, string>>
  /** JSON, or the fields of a form, in order. A file is its name and type in angle brackets. */
  body: Json | readonly (readonly [name: string, value: string])[]
}

/** Previews of a picture that is being drawn. */
export type ShowPreview = (preview: Buffer) => void

export interface ImageProvider {
  readonly name: string
  /**
   * True when a second start costs nothing and changes nothing outside this process. Other providers never get a second start
   * once the first may have reached them.
   */
  readonly repeatable?: boolean
  /**
   * Submits the task once, without retries of its own. Synchronous providers resolve to 'done'. If their response contains
   * links, they resolve to 'pending' with the links as the ticket, so that paid work is saved before it is fetched. Rejects
   * with an AppError; `neverRan` in it means that nothing was started that costs money. The signal aborts when the generation
   * has ended, or when this process must let go of it; release every socket and timer then. For providers with `cancel` it does
   * not abort when the generation has ended, so that started work can be cancelled. `show` gets previews that arrive before
   * this resolves.
   */
  start(task: Task, signal: AbortSignal, show?: ShowPreview): Promise<Progress>
  /** What `start` would send. Sends nothing. Absent: the provider cannot show it. */
  submission?(task: Task): Submission
  /** Called every `waitMs`. The ticket was saved before, so a restarted process resumes and does not pay twice. */
  check?(ticket: Json, task: Task, signal: AbortSignal): Promise<Progress>
  /**
   * Looks for the work of a start whose response was lost. 'never': the start did not arrive and may be repeated. 'unknown':
   * the work may still be found later. Rejects with a final AppError unresolved if it cannot be found.
   */
  find?(task: Task, signal: AbortSignal): Promise<Progress | 'never' | 'unknown'>
  /** What can be done further with finished work, from its last ticket. Absent: nothing. */
  continuations?(ticket: Json): readonly Continuation[]
  /** Rejects with an AppError. Absent: it describes no pictures. */
  readonly describe?: Describer
  /** Has no effect on work that has ended. */
  cancel?(ticket: Json): Promise<void>
  /**
   * Verifies a webhook call; `check` and `find` get the result as `task.webhookMessage`. If the provider does not sign its calls, the result
   * only says what to look up at the provider. Rejects with AppError 'forged'.
   */
  receive?(call: { headers: Readonly<Record<string, string | undefined>>; body: Buffer }): Promise<Json>
  /** Checks address and key at no cost. Rejects with an AppError. Absent: the provider has no free check. */
  test?(signal: AbortSignal): Promise<void>
  /** Describes its servers, including unreachable ones. At most 10 s old; resolves within 5 s. Absent: not supported. */
  inspect?(): Promise<Inspection>
  /** Closes connections. Tasks under way end with errors. */
  close?(): Promise<void>
}

/** How to reach a provider, from a stored configuration or the environment. */
export interface ProviderSettings {
  /** Without a trailing slash. Several, separated by commas, for providers that support it (ComfyUI). */
  baseUrl: string
  key?: string
  /** Milliseconds that a generation may take. */
  timeoutMs: number
  /** Concurrent generations, in all processes together. */
  concurrency: number
  /** Steps for requests that name none. Absent: the provider's own default. */
  steps?: number
}

export interface ProviderContext {
  /** The URL of our webhook for a task. Absent: the provider cannot reach us. */
  webhookUrl?(taskId: string): string
  /** Waits for accepted calls of `webhookUrl(id)` from here on, where no generation has this id. */
  followWebhook?(id: string): WebhookCalls
  /** Runs work on pictures in turn with all other such work of the process. Absent: the work runs at once. */
  decode?: Turns
  log: Log
}

export interface WebhookCalls {
  /** Waits `ms`, or until the next call. Resolves to true for a call since the last wait. Rejects when aborted. */
  wait(ms: number, signal: AbortSignal): Promise<boolean>
  stop(): void
}

/** A kind of provider, which `create` sets up. */
export interface ProviderKind {
  readonly name: string
  /** The name to show: 'fal.ai'. */
  readonly title: string
  /** Absent: an address must be configured. */
  readonly defaultUrl?: string
  /** An example that the refusal shows when the address is missing. */
  readonly exampleUrl?: string
  readonly needsKey: boolean
  create(settings: ProviderSettings, context: ProviderContext): ImageProvider
}

/** Writes a prompt for such a picture. */
export type Describer = (picture: Pick<ImageFile, 'data' | 'type'>, signal: AbortSignal) => Promise<string>

/** A language model: improves prompts and translates them into English, and describes pictures. */
export interface Enhancer {
  /** The name of its model, to show. */
  readonly model: string
  /** Rejects with an AppError if it fails or times out. `instruction` absent: the built-in instruction. */
  enhance(prompt: string, options: { instruction?: string; signal: AbortSignal }): Promise<string>
  /** Rejects as `enhance` does, and with images_not_read. Absent: it reads no pictures. */
  readonly describe?: Describer
  close(): Promise<void>
}
