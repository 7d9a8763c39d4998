/** State of the emulator, which every method gets. */
import type { Update } from '@grammyjs/types'
import type { Signal } from '../discord/signal.ts'
import type { Files } from './files.ts'
import type { Flood } from './flood.ts'
import type { Presses } from './presses.ts'
import type { CommandList, FilePart, Json } from './types.ts'
import type { Updates } from './updates.ts'
import type { Webhook } from './webhook.ts'
import type { StoredMessage, World } from './world.ts'

export interface Telegram {
  world: World
  files: Files
  updates: Updates
  webhook: Webhook
  /** Key: scope and language. */
  commands: Map<string, CommandList>
  presses: Presses
  flood: Flood
  messageChanged: Signal<StoredMessage>
  /** Fires when the bot answers a callback query or a pre-checkout query. */
  answered: Signal<void>
  /** Queues an update and checks it against the API description. */
  emit(body: Omit<Update, 'update_id'>): Update
  /** Reports a violation of the API. */
  violate(problem: string): void
}

export interface Call {
  method: string
  params: Json
  files: FilePart[]
  /** Registers a listener for a disconnect of the bot. */
  onClose(listener: () => void): void
}

/** Returns the `result`. Throws a TelegramErrorResponse. */
export type Method = (telegram: Telegram, call: Call) => unknown

export const unixNow = () => Math.floor(Date.now() / 1000)
