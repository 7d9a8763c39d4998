/** Types that tests use. Chat, user and message ids are Telegram's integers, `at` is in Unix milliseconds, sizes are bytes. */
import type { Message, MessageEntity, Update } from '@grammyjs/types'
import type { ShownButton } from '../buttons.ts'
import type { FaultKind } from '../faults.ts'

export type Json = Record<string, unknown>

/** Part of a multipart request from the bot. */
export interface FilePart {
  /** Form field: the name after `attach://`, or that of the parameter. */
  field: string
  filename: string
  /** Content type of the part; grammY always sends application/octet-stream. */
  contentType: string
  /** Empty after processing if the emulator runs with `keepBytes: false`; `size` stays. */
  data: Buffer
  size: number
}

/** Method call from the bot. */
export interface Recorded {
  /** Method as in the URL: `sendPhoto`. For a download: `file/photos/file_1.jpg`. */
  method: string
  /** Parameters, with the same types for JSON, form, query and multipart requests. */
  params: Json
  files: FilePart[]
  at: number
  /** HTTP status of the response. 0: no response was sent. */
  status: number
  /** `description` of the error response. Absent: the call succeeded. */
  description?: string
  fault?: FaultKind
}

export type ChatType = 'private' | 'group' | 'supergroup'

/** Who acts, and where. Defaults: the emulator's default person in their private chat with the bot. */
export interface From {
  userId?: number
  firstName?: string
  username?: string
  languageCode?: string
  /** Default: the private chat, or a default chat of the other types. */
  chatId?: number
  /** Default: the type of an existing chat, else by the id: positive private, -100… supergroup, other negative group. */
  chatType?: ChatType
  chatTitle?: string
  /** Forum topic, created if it is new. Default: General, or the topic of the message replied to. */
  threadId?: number
  /** Id of the message replied to. */
  replyTo?: number
}

export interface PhotoUpload {
  data: Buffer
  caption?: string
}

export interface DocumentUpload {
  data: Buffer
  fileName: string
  mimeType?: string
  caption?: string
  /** Size that Telegram reports, for tests of large files. Default: that of `data`. */
  fileSize?: number
}

/** Identifies a message. */
export interface MessageRef {
  chatId: number
  messageId: number
}

/** Message that a person sent. */
export interface Sent extends MessageRef {
  update: Update
  message: Message
}

/** The bot's answer to a button press. */
export interface CallbackAnswer {
  /** Text of the notification. Absent: none is shown. */
  text?: string
  showAlert: boolean
  url?: string
}

export interface PressOptions extends From {
  /** Milliseconds since the press. Telegram accepts no answer after 150 s. */
  ageMs?: number
  /** Whether the bot can no longer access the message, so that the update has only its chat and id. */
  inaccessible?: boolean
}

/** Button press by a person. */
export interface Pressed {
  queryId: string
  update: Update
  /** Waits for the answerCallbackQuery. */
  answered(timeoutMs?: number): Promise<CallbackAnswer>
}

interface ShownDocument {
  fileName: string
  mimeType?: string
  data: Buffer
}

/** Content of a message between two edits. */
export interface Version {
  /** Text or caption. */
  text: string
  photo?: Buffer
  document?: ShownDocument
  /** Buttons of the inline keyboard, by row. */
  buttons: ShownButton[][]
}

/** Snapshot of a message as people see it. */
export interface ShownMessage extends Version, MessageRef {
  /** Whether the bot sent it. */
  fromBot: boolean
  fromId: number
  /** Entities of the text or the caption. */
  entities: MessageEntity[]
  threadId?: number
  replyTo?: number
  mediaGroupId?: string
  spoiler: boolean
  /** Whether the person's client opens a reply box. Absent: the message does not ask for a reply. */
  opensReplyOf?: 'everyone' | number[]
  /** Earlier versions, oldest first. */
  edits: Version[]
  /** Unix seconds. */
  date: number
  editDate?: number
  /** The Bot API's message, which also has invoices, payments and other service messages. */
  raw: Message
}

/** List stored by setMyCommands. */
export interface CommandList {
  /** `{ type: 'default' }` if the bot named none. */
  scope: Json
  /** '': all languages. */
  languageCode: string
  commands: { command: string; description: string }[]
}

/** Limits on sending and editing messages. Absent: no limit. */
export interface FloodLimits {
  /** Messages and edits in one chat. */
  perChatPerSecond?: number
  /** Seconds over which the limit of one chat is an average. Default: 1, which allows no bursts. */
  burstSeconds?: number
  /** Messages and edits in one group or supergroup. */
  perGroupPerMinute?: number
  /** Milliseconds of a minute in one group. Default: 60,000. */
  minuteMs?: number
  /** Messages and edits in all chats. */
  perSecond?: number
}

/** Successful payment in Stars. */
export interface Paid extends Sent {
  chargeId: string
  stars: number
  /** Milliseconds from the pre-checkout query to the bot's answer. */
  answeredMs: number
}

/** The bot's answer to an inline query. */
export interface InlineAnswer {
  results: Json[]
  /** Text of the button above the results, and what it passes to /start. */
  button?: string
  startParameter?: string
  /** Whether Telegram may show it to this person only. */
  isPersonal: boolean
  cacheSeconds: number
  nextOffset: string
}

export interface InlineAsked {
  update: Update
  answered(): Promise<InlineAnswer>
}
