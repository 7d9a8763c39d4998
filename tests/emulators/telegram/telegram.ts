/** What every method works with. */
import type { Update } from '@grammyjs/types'
import type { Signal } from '../discord/signal.ts'
import type { Files } from './files.ts'
import type { CallbackAnswer, CommandList, FilePart, Json } from './types.ts'
import type { Updates } from './updates.ts'
import type { Webhook } from './webhook.ts'
import type { StoredMessage, World } from './world.ts'

export interface Telegram {
  world: World
  files: Files
  updates: Updates
  webhook: Webhook
  /** By scope and language. */
  commands: Map<string, CommandList>
  /** Button presses by query id. */
  presses: Map<string, Press>
  messageChanged: Signal<StoredMessage>
  /** Fires when the bot answers a button press or a pre-checkout query. */
  answered: Signal<void>
  /** Queues an update and has the oracle look at it. */
  emit(body: Omit<Update, 'update_id'>): Update
  complain(text: string): void
}

export interface Press {
  /** Telegram gave up on it. */
  expired: boolean
  answer?: CallbackAnswer
}

export interface Call {
  method: string
  params: Json
  files: FilePart[]
  /** The bot hung up. */
  onClose(gone: () => void): void
}

/** Returns the `result`, or throws a TelegramRefusal. */
export type Method = (telegram: Telegram, call: Call) => unknown

export const unixNow = () => Math.floor(Date.now() / 1000)
