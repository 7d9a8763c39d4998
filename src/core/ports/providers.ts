/**
 * Image services.
 *
 * ticket  a provider's reference to work under way, saved before we wait for it
 */
import type { Json } from '../../db/json.ts'
import type { Log } from '../../log.ts'
import type { ImageFile } from './images.ts'
import type { Note } from './models.ts'

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
  readonly webhookMessage?: Json
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
