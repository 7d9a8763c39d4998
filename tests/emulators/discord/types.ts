/** What a test sees of the emulator. Ids are snowflake strings, times are wall-clock ms, sizes are bytes. */
import type { FaultKind } from '../faults.ts'

export type Json = Record<string, unknown>

/** A file a person uploads. */
export interface Upload {
  filename: string
  data: Buffer
  /** Ignored where Discord ignores it: the content type people see is derived from the file name. */
  contentType?: string
}

/** A part of a multipart request the bot sent. */
export interface FilePart {
  /** The form field, `files[0]`. */
  name: string
  filename: string
  contentType: string
  /** Emptied after processing when the emulator runs with `keepBytes: false`; `size` stays. */
  data: Buffer
  size: number
}

/** One REST request, in order of arrival. */
export interface Recorded {
  method: string
  /** Decoded and without `/api/v10`: `/webhooks/1/token/messages/@original`. */
  path: string
  query: Record<string, string>
  headers: Record<string, string | string[] | undefined>
  /** The JSON, or `payload_json` of a multipart request. */
  body: unknown
  files: FilePart[]
  at: number
  /** 0 until answered, and for ever when the reply was never sent. */
  status: number
  /** Discord's error code when it was refused. */
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
  /** From the file name, as Discord does; absent when the extension says nothing. */
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

/** A snapshot of a message as people see it at that moment. */
export interface Message {
  id: string
  channelId: string
  /** null in a direct message. */
  guildId: string | null
  author: User
  content: string
  embeds: Json[]
  components: Json[]
  /** Every file, also those shown inside an embed or a gallery (the API leaves these out of `attachments`). */
  attachments: Attachment[]
  flags: number
  ephemeral: boolean
  /** A deferred reply: people see "… is thinking". */
  thinking: boolean
  nonce?: string | number
  /** Users who were named in the content and may be notified. */
  mentions: string[]
  mentionsEveryone: boolean
  /** Previous contents, oldest first. Filling a deferred reply is not an edit. */
  edits: string[]
  createdAt: number
  editedAt?: number
  /** The interaction it answers. */
  interactionId?: string
  /** For ephemeral messages: the one person who sees it. */
  visibleTo?: string
  /** The message it replies to. */
  replyTo?: string
  deleted: boolean
}

/** Who acts and where. Everything absent: the emulator's default person in its default channel. */
export interface From {
  userId?: string
  username?: string
  channelId?: string
  /** null: a direct message with the bot. */
  guildId?: string | null
  locale?: string
  guildLocale?: string
  /** The member's permissions, a bit set in decimal. */
  permissions?: string
  appPermissions?: string
  /** Who installed the app. With 'user' in an unknown guild the bot is not a member there. Absent: 'guild'. */
  installs?: 'guild' | 'user' | 'both'
  /** 0 guild, 1 bot DM, 2 other private channel. Absent: 0 or 1. */
  context?: 0 | 1 | 2
  attachmentSizeLimit?: number
  /** Delivered this long after the person acted: id, 3 s and 15 min limits count from then. */
  ageMs?: number
}

export type OptionValue = string | number | boolean | Upload

/** Something a person did, and what the bot made of it. */
export interface Interaction {
  readonly id: string
  readonly token: string
  /** The INTERACTION_CREATE data. */
  readonly payload: Json
  /** How many gateway sessions it went to, those cut off but able to resume included. 0: no bot will ever see it. */
  readonly deliveredTo: number
  /** From the person's action to the accepted callback. Absent: not acknowledged (yet). */
  readonly acknowledgedMs?: number
  /** The accepted callback's type. */
  readonly acknowledgedWith?: number
  /** Autocomplete's answer. */
  readonly choices?: Json[]
  /** The modal that was opened. */
  readonly modal?: Json
  waitForAck(timeoutMs?: number): Promise<number>
  /** @original once it is there, not thinking, and pleases the predicate. */
  waitForReply(predicate?: (message: Message) => boolean, timeoutMs?: number): Promise<Message>
  waitForFollowUp(predicate?: (message: Message) => boolean, timeoutMs?: number): Promise<Message>
  /** @original as it is now (also while thinking). undefined: none, or deleted. */
  reply(): Message | undefined
  /** Those not deleted. */
  followUps(): Message[]
}
