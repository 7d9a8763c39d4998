/**
 * Where people are.
 *
 * surface  a chat: Discord, Telegram, the page; the HTTP API counts as one
 * call     something a person did on a surface; act: what it was
 * reply    what we answer; content (content.ts): what it says, in no language yet
 */
import type { Content } from './content.ts'
import type { Conversations } from './conversations.ts'
import type { ButtonId, Choice, Form } from './forms.ts'
import type { Invoice, Payment, Payments, Purchase, Shop } from './payments.ts'
import type { FileLimits, ReplyFile, ReplyPicture } from './reply-files.ts'

/** 'discord:…', 'telegram:-100123:45'. Opaque to all but its surface, so it survives queues and restarts. */
export type Address = `${string}:${string}`

/** A message of ours that can be edited. Opaque like an address. */
export type Posted = `${string}:${string}`

/** The platform's own name of a message. Unlike `Posted`, it is the same however we learned of the message. */
export type MessageName = string

/** A language tag such as 'en' or 'zh'. The languages there are stand in `locales`. */
export type Locale = string

/** A picture that came with a call. */
export interface Attachment {
  name: string
  /** What the platform says; it may lie. Absent: it did not say. */
  bytes?: number
  /** The message of ours that the person replied to, and which of its pictures this is, from 0. */
  shownIn?: { message: MessageName; index: number }
  /** Rejects with AppError 'image_too_big' past `limitBytes`, or 'image_unreachable'. `signal`: the request was given up. */
  load(limitBytes: number, signal?: AbortSignal): Promise<Buffer>
}

// ── What people do ───────────────────────────────────────────────────────────────────────────────────────────────

/** A person as a platform knows them. `id` is 'discord:123'; `handle` follows '@', on platforms that have handles. */
export interface Identity {
  id: string
  name: string
  handle?: string
}

/** Where a person acted. */
export interface Place {
  /** Absent: a private chat. */
  group?: { id: string; title?: string }
  channel: string
  /** The channel that it is a thread of. */
  parent?: string
  /** The platform restricts it to adults. */
  nsfw: boolean
  /** The person may manage the group, as the platform says. False where it does not say. */
  manager: boolean
  /** Ids of the person's roles in the group. */
  roles: readonly string[]
}

/** Values of typed options, on platforms that have them. */
export type Options = Readonly<Record<string, string | number | boolean>>

/** What a person did: a closed union, so that a new kind is a compile error in dispatch. */
export type Act =
  | { kind: 'message'; text: string }
  /** `text`: what follows the command. Typed options win over flags in the text. */
  | { kind: 'command'; name: string; text: string; options: Options }
  /** `button` as it came from the client: it is checked in dispatch. */
  | { kind: 'press'; button: string; on?: PressedMessage }
  /**
   * `form`: the id of the button that opened it, as it came from the client. `fields`: by name; those left out keep the values
   * that the form shows; pictures are those of the call. `text`: a written answer, on platforms without forms. `on`: the message whose
   * button opened it.
   */
  | { kind: 'form'; form: string; fields: Readonly<Record<string, string>>; text?: string; on?: MessageName }
  /** An entry in the menu of a message; its pictures are the call's. `ref` names the message in a form that this opens. */
  | { kind: 'menu'; menu: string; ref: string }
  | Payment
  | Purchase
  | Typing

/**
 * The person is typing a value of an option. It is answered with choices (`ChatSurface.offer`), never with a message. `options`,
 * `images`: the options that are filled in so far, and how many of them are pictures.
 */
export interface Typing {
  kind: 'suggest'
  command: string
  option: string
  typed: string
  options: Options
  images: number
}

/** The message that a pressed button is part of. */
export interface PressedMessage {
  posted: Posted
  /** Absent: only the person who pressed sees it. */
  name?: MessageName
}

export interface Call {
  /** The same for each delivery of the same act: 'discord:<interaction id>'. Nothing happens twice for one key. */
  key: string
  surface: string
  address: Address
  from: Identity
  /** The platform does not say which person acted, such as an anonymous administrator. It is refused. */
  isAnonymous?: boolean
  place: Place
  locale: Locale
  act: Act
  images: readonly Attachment[]
  /** Credits that the surface showed before it was sent: it costs no more. Absent: none were shown. */
  shownPrice?: number
  /** Key of the call whose message the person edited to say this. */
  edits?: string
  /** Our message that becomes the answer. Absent: the answer is a new one. */
  posted?: Posted
  /** Only the person can read the answer, or what is `private` in it. Absent: unknown. */
  isPrivate?: boolean
  /** Bytes of the largest file that the answer may hold. Absent: files are linked. */
  maxFileBytes?: number
}

// ── What we answer ───────────────────────────────────────────────────────────────────────────────────────────────

/** Labels are words of the person's language, chosen by action. */
export interface Button {
  id: ButtonId
  action: string
  /** For the label, if several buttons have the same action: number of a picture, of a line in a list, or of a page. */
  number?: number
  /** For the label, in place of a number: the name of what it is about. */
  title?: string
  /** Credits that a press costs, for the label. Absent or 0: it is free. */
  price?: number
  /** What it sells: credits, for Telegram Stars. The label says so. */
  sale?: { credits: number; stars: number }
  /** It opens this item of the platform's own shop, on surfaces with `ChatSurface.shop`. The platform writes its label. */
  item?: string
  style?: 'primary' | 'danger'
}

/** Rows of buttons. */
export type ButtonRows = readonly (readonly Button[])[]

export interface Reply {
  locale: Locale
  /**
   * waiting: will be edited · asking: becomes a waiting one once the person has chosen · done, failed: how the request ended ·
   * closed: asks no more, because the person chose elsewhere; like a waiting one, left out where its message cannot be edited ·
   * info: any other answer.
   */
  state: 'waiting' | 'asking' | 'closed' | 'done' | 'failed' | 'info'
  content: Content
  /** With 'waiting': a preview. */
  pictures?: readonly ReplyPicture[]
  /** Files for people to save, unlike `pictures`, which platforms compress. */
  files?: readonly ReplyFile[]
  /** Absent: the message has none, so an edit removes earlier ones. */
  buttons?: ButtonRows
  /** Opens a form, or asks a question where the platform has no forms. The content is its title. */
  form?: Form
  /** Takes the place of content and buttons where pictures or files may not have arrived, and are not sent again by themselves. */
  unclear?: Pick<Reply, 'content' | 'buttons'>
  /** Takes the place of the content, on platforms with `ChatSurface.payments`. */
  invoice?: Invoice
  /** For the person only, where the surface can do that. */
  private?: boolean
  /** Keys, codes and links with a token in it, as they are written: a surface that stores its messages hides them there. */
  secrets?: readonly string[]
  /** A short confirmation of a press whose effect shows in the message itself. Surfaces without toasts leave it out. */
  toast?: boolean
  /** So short that it may disappear by itself, where the surface can do that. */
  brief?: boolean
}

/** `SentMessage.part` of a message that only says that the result is there. */
export const noPicture = -1

/** A message that shows a result, or a part of it. */
export interface SentMessage {
  posted: Posted
  /** Position of its first picture. `noPicture`: it shows none. */
  part: number
  /** The platform's ids of its files. */
  fileIds: readonly string[]
  /** Absent: neither replies nor presses can refer to it. */
  message?: MessageName
  /** Whether it has the buttons of the result. */
  buttons?: boolean
}

/** Messages of one result: each is added before the next is sent, so that a crash repeats none. */
export interface SentMessages {
  /** When the request was made, in Unix milliseconds. */
  readonly since: number
  readonly earlier: readonly SentMessage[]
  /** First parts of messages that may have arrived, because their sending began and its end is unknown. */
  readonly begun: readonly number[]
  /** Called before a message is sent that a repeated call would send twice. False: another process sends it, or has sent it. */
  begin(part: number): Promise<boolean>
  /** The message was certainly not sent. */
  withdraw(part: number): Promise<void>
  /** Those of one call, in the order of their parts. False: a part was added before, perhaps by another process. */
  add(...messages: readonly SentMessage[]): Promise<boolean>
}

export interface ChatSurface {
  readonly name: string
  /** Absent: credits cannot be bought there. */
  readonly payments?: Payments
  /** Absent: the platform has no shop of its own. */
  readonly shop?: Shop
  /** True when a repeated post shows a second message: then only edits of a recorded message are repeated. */
  readonly postsAnew?: boolean
  /** Milliseconds between edits of a waiting message. Absent: as often as chats permit. */
  readonly paceMs?: number
  /** True when messages link to stored pictures, so that their bytes need not be sent. */
  readonly linksPictures?: boolean
  /** True when a private answer in a group is shown to the person alone. */
  readonly answersPrivately?: boolean
  /** True when a picture without words, in a private chat, is answered with what can be done with it. */
  readonly asksAboutPictures?: boolean
  /** True when a command without a picture can be answered with a form that takes one. */
  readonly uploadsInForms?: boolean
  /** True when messages hold pictures as they are stored, so that no stored files have to follow. */
  readonly keepsFiles?: boolean
  /** True when no person reads its replies. */
  readonly isSilent?: boolean
  /** Connects and calls `handle` for each act; resolves when the platform has accepted us. */
  start(handle: (call: Call) => Promise<void>): Promise<void>
  /** Takes no more calls, waits for those being handled. */
  stop(): Promise<void>
  /** undefined when ready, else a sentence that says what is missing. Only called after `start`. */
  notReady(): string | undefined
  /**
   * Where an answer goes that only this person may see: the same address if the chat can show it to the person alone, otherwise
   * a private chat. Checks that the bot may write there. Rejects with AppError 'cannot_write_privately' or 'chat_unavailable'.
   * Absent: every chat is private.
   */
  privately?(address: Address, person: Identity): Promise<Address>
  /** The private chat with a person who has not asked. `about` names the occasion: a message that is posted twice for it may show once. Rejects as `post`. */
  privateChat?(person: string, about: string): Promise<Address>
  /** An address that opens the bot and sends it this word: 64 letters, digits, '_' and '-' at most. undefined: the bot's name is unknown. */
  deepLink?(word: string): string | undefined
  /** The address of a channel of a group, for people to open. Absent: channels have none. */
  channelLink?(group: string, channel: string): string
  /** Whether the person manages the group, on platforms whose calls do not say (`Place.manager`). */
  manages?(place: Place, person: Identity): Promise<boolean>
  /**
   * The bot can change some messages for a limited time only, and later only when a person presses one of their buttons. From this time
   * on (milliseconds since 1970) the core edits such a message to show 'getresult'. `edit` may leave a late answer for its press. Absent, undefined: not needed.
   */
  needsPressFrom?(posted: Posted): number | undefined
  /** How large the files of a message there may be. Absent: as large as every platform accepts. */
  fileLimits?(place: Address | Posted): FileLimits
  /** Whether the chat has room for an edit that only shows progress. If so, it counts as made. Absent: chats have no limits. */
  takeRoom?(posted: Posted): Promise<boolean>
  /**
   * Both work in any process, started or not. Reject with AppError 'chat_refused' or 'chat_unavailable'; with `retryAfterMs` (`isPutOff`), the
   * same call continues later what is in `sent`. The edit of a waiting message is tried once, for five seconds at most.
   */
  post(address: Address, reply: Reply, sent?: SentMessages): Promise<Posted>
  edit(posted: Posted, reply: Reply, sent?: SentMessages): Promise<Posted>
  /** Replaces the buttons of a message, and nothing else. Rejects as `edit` does. */
  changeButtons(posted: Posted, look: { locale: Locale; buttons: ButtonRows }): Promise<void>
  /**
   * Shows choices below what the person types: at most 25, their values and labels with at most 100 characters. Works in any
   * process. Never rejects. Absent: nothing is asked while people type.
   */
  offer?(address: Address, choices: readonly Choice[]): Promise<void>
  /** Ends the waiting of a pressed button that gets no other answer. Absent: its buttons do not wait. Never rejects. */
  seen?(address: Address): Promise<void>
  /** Deletes a message. One that is already gone is not an error. Rejects as `edit` does. */
  remove(posted: Posted): Promise<void>
  /** Absent: the platform keeps them, and the surface itself keeps nothing. */
  readonly conversations?: Conversations
  /** Absent: bots do not write to many people on this platform. */
  readonly announcer?: Announcer
}

/** Writes to people who have not asked for it. Works in any process. */
export interface Announcer {
  /** Whether the bot has room for one more announcement beside its answers. If so, it counts as made. */
  takeRoom(): Promise<boolean>
  /** Posts to the private chat of this identity. It is tried once. Never rejects. */
  send(person: string, reply: Reply): Promise<Announced>
  /** Whether the platform answers. Never rejects. */
  answers(): Promise<boolean>
}

/**
 * blocked: the person does not let the bot write · gone: the person has left the platform · failed: refused for another reason ·
 * unknown: it may have arrived · later: it has certainly not been sent, and may be tried again after `waitMs`.
 */
export type Announced = { how: 'sent' | 'blocked' | 'gone' | 'failed' | 'unknown' } | { how: 'later'; waitMs: number }
