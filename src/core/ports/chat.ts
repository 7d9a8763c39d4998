/**
 * Where people are.
 *
 * surface  a chat: Discord, Telegram, the page
 * call     something a person did on a surface; reply: what we answer
 */
import type { ImageFile } from './images.ts'

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
