/** What a test sees of the emulator. Chat, user and message ids are Telegram's integers; `at` is wall-clock ms; sizes are bytes. */
import type { InlineKeyboardButton, Message, MessageEntity, Update } from '@grammyjs/types'
import type { FaultKind } from '../faults.ts'

export type Json = Record<string, unknown>

/** A part of a multipart request the bot sent. */
export interface FilePart {
  /** The form field: what `attach://` names, or the parameter itself. */
  field: string
  filename: string
  /** As the part says; grammY always says application/octet-stream. */
  contentType: string
  /** Emptied after processing when the emulator runs with `keepBytes: false`; `size` stays. */
  data: Buffer
  size: number
}

/** One method call, in order of arrival. */
export interface Recorded {
  /** As written in the URL: `sendPhoto`. A download is `file/photos/file_1.jpg`. */
  method: string
  /** The same values whatever way they came: JSON, form, query or multipart. */
  params: Json
  files: FilePart[]
  at: number
  /** 0 until answered, and for ever when the answer was never sent. */
  status: number
  /** The `description` when it was refused. */
  description?: string
  fault?: FaultKind
}

export type ChatType = 'private' | 'group' | 'supergroup'

/** Who acts and where. Everything absent: the default person in their private chat with the bot. */
export interface From {
  userId?: number
  firstName?: string
  username?: string
  languageCode?: string
  /** Absent: the private chat, or one default chat for each other type. */
  chatId?: number
  /** Absent: what the chat is already, else by the id: positive private, -100… supergroup, other negative group. */
  chatType?: ChatType
  chatTitle?: string
  /** A forum topic, made when it is new. Absent: General, or the topic of the message replied to. */
  threadId?: number
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
  /** What Telegram says the size is, when the test does not want to carry that many bytes. Absent: the truth. */
  fileSize?: number
}

/** Where a message is. */
export interface MessageRef {
  chatId: number
  messageId: number
}

/** Something a person sent. */
export interface Sent extends MessageRef {
  update: Update
  message: Message
}

export interface CallbackAnswer {
  text?: string
  showAlert: boolean
  url?: string
}

/** A button press, and what the bot made of it. */
export interface Pressed {
  queryId: string
  update: Update
  /** The first answerCallbackQuery. */
  answered(timeoutMs?: number): Promise<CallbackAnswer>
}

interface ShownDocument {
  fileName: string
  mimeType?: string
  data: Buffer
}

/** What was on the screen before an edit. */
export interface Version {
  /** Text or caption. */
  text: string
  photo?: Buffer
  document?: ShownDocument
  buttons: InlineKeyboardButton[][]
}

/** A snapshot of a message as people see it at that moment. */
export interface ShownMessage extends Version, MessageRef {
  /** The bot's own messages. */
  fromBot: boolean
  fromId: number
  /** Of the text or the caption. */
  entities: MessageEntity[]
  threadId?: number
  replyTo?: number
  mediaGroupId?: string
  spoiler: boolean
  /** Earlier versions, oldest first. */
  edits: Version[]
  /** Unix time, seconds. */
  date: number
  editDate?: number
  /** What the Bot API says about it: invoices, payments and other service messages are only here. */
  raw: Message
}

/** One list stored by setMyCommands. */
export interface CommandList {
  /** `{ type: 'default' }` when the bot named none. */
  scope: Json
  /** '' for all languages. */
  languageCode: string
  commands: { command: string; description: string }[]
}

/** A successful payment in Stars. */
export interface Paid extends Sent {
  chargeId: string
  stars: number
}
