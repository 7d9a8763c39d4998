/** Types that tests use. Ids are snowflake strings, times are Unix milliseconds, sizes are bytes. */
import type { ShownButton } from '../buttons.ts'
import type { FaultKind } from '../faults.ts'

export type Json = Record<string, unknown>

/** File that a person uploads. */
export interface Upload {
  filename: string
  data: Buffer
  /** Ignored, because Discord derives the content type from the file name. */
  contentType?: string
}

/** Part of a multipart request from the bot. */
export interface FilePart {
  /** Form field: `files[0]`. */
  name: string
  filename: string
  contentType: string
  /** Empty after processing if the emulator runs with `keepBytes: false`; `size` stays. */
  data: Buffer
  size: number
}

/** REST request from the bot. */
export interface Recorded {
  method: string
  /** Decoded path without `/api/v10`: `/webhooks/1/token/messages/@original`. */
  path: string
  query: Record<string, string>
  headers: Record<string, string | string[] | undefined>
  /** JSON body, or `payload_json` of a multipart request. */
  body: unknown
  files: FilePart[]
  at: number
  /** HTTP status of the response. 0: no response was sent. */
  status: number
  /** Discord's error code. Absent: the request succeeded. */
  code?: number
  fault?: FaultKind
}

export interface User {
  id: string
  username: string
  bot: boolean
}

export interface Attachment {
  id: string
  filename: string
  /** Derived from the file name. Absent: unknown extension. */
  contentType?: string
  size: number
  /** Alt text. */
  description?: string
  spoiler: boolean
  url: string
  proxyUrl: string
  width?: number
  height?: number
  data: Buffer
}

/** Snapshot of a message as people see it. */
export interface Message {
  id: string
  channelId: string
  /** null in a direct message. */
  guildId: string | null
  author: User
  content: string
  embeds: Json[]
  components: Json[]
  /** Buttons of all components, by row. */
  buttons: ShownButton[][]
  /** All files. The API's `attachments` lacks those shown inside an embed or a gallery. */
  attachments: Attachment[]
  flags: number
  ephemeral: boolean
  /** Whether it is a deferred reply that people see as "… is thinking". */
  thinking: boolean
  nonce?: string | number
  /** Ids of the users that the message notifies. */
  mentions: string[]
  mentionsEveryone: boolean
  /** Earlier contents, oldest first. The first content of a deferred reply is not an edit. */
  edits: string[]
  createdAt: number
  editedAt?: number
  /** Interaction that the message responds to. */
  interactionId?: string
  /** The only user who sees an ephemeral message. */
  visibleTo?: string
  /** Id of the message it replies to. */
  replyTo?: string
  deleted: boolean
}

/** Who acts, and where. Defaults: the emulator's default person in its default guild channel. */
export interface From {
  userId?: string
  username?: string
  channelId?: string
  /** null: a direct message with the bot. */
  guildId?: string | null
  locale?: string
  guildLocale?: string
  /** Ids of the member's roles. */
  roles?: string[]
  /** The member's permissions in the channel, a decimal bit set. */
  permissions?: string
  /** The bot's permissions in the channel, a decimal bit set. Absent: those that the channel's `denied` leaves. */
  appPermissions?: string
  /** Where the app is installed. Default 'guild'. With 'user' in a guild without the bot, the bot cannot access the channel. */
  installs?: 'guild' | 'user' | 'both'
  /** 0 guild, 1 direct message with the bot, 2 other private channel. Default: that of the channel. */
  context?: 0 | 1 | 2
  attachmentSizeLimit?: number
  /** Milliseconds between the act and its delivery. The id and the limits of 3 s and 15 min count from the act. */
  ageMs?: number
}

export type OptionValue = string | number | boolean | Upload

/** Interaction started by a person, and the bot's responses to it. */
export interface Interaction {
  readonly id: string
  readonly token: string
  /** Payload of INTERACTION_CREATE. */
  readonly payload: Json
  /** Number of gateway sessions that received it, including disconnected ones that can still resume. */
  readonly deliveredTo: number
  /** Milliseconds from the act to the accepted callback. Absent: not acknowledged. */
  readonly acknowledgedMs?: number
  /** Type of the accepted callback. Absent: not acknowledged. */
  readonly acknowledgedWith?: number
  /** Choices that autocomplete shows. */
  readonly choices?: Json[]
  /** Modal that the callback opened. */
  readonly modal?: Json
  /** Resolves with `acknowledgedMs`. */
  waitForAck(timeoutMs?: number): Promise<number>
  /** Waits until @original exists, is not thinking and satisfies the predicate. */
  waitForReply(predicate?: (message: Message) => boolean, timeoutMs?: number): Promise<Message>
  waitForFollowUp(predicate?: (message: Message) => boolean, timeoutMs?: number): Promise<Message>
  /** Current @original, also while it is thinking. Absent: not created, or deleted. */
  reply(): Message | undefined
  /** Follow-up messages that are not deleted, oldest first. */
  followUps(): Message[]
}
