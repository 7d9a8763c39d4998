/** Telegram, by long polling or by webhook. Posts and edits from any process, started or not. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Update } from 'grammy/types'
import type { Call, ChatSurface } from '../../core/ports/chat.ts'
import type { Database } from '../../db/database.ts'
import type { Log } from '../../log.ts'
import type { Command } from '../command.ts'
import { createBotApi, reasonOf } from './api.ts'
import { type Describe, tellCommands } from './commands.ts'
import { createFiles } from './files.ts'
import { createInbox, pruneInbox } from './inbox.ts'
import { createIntake, type Intake } from './intake.ts'
import { allowedUpdates, createLine, startPolling } from './polling.ts'
import { createReader } from './read.ts'
import { createShow } from './show.ts'

export const telegramWebhookPath = '/telegram/webhook'

const graceMs = 10_000
const pruneEveryMs = 3_600_000
/** How long an update that another process received may lie in the inbox. */
const lookEveryMs = 1_000

export interface Telegram extends ChatSurface {
  /**
   * What a webhook got: `secret` is the header X-Telegram-Bot-Api-Secret-Token. Resolves to the status to answer with,
   * rejects when the update could not be kept: answer 500 then, and Telegram sends it again. In any process.
   */
  handleUpdate(body: unknown, secret: unknown): Promise<200 | 400 | 401>
}

interface TelegramOptions {
  token: string
  /** https://api.telegram.org, or a Bot API server of one's own. */
  apiUrl: string
  database: Database
  commands: readonly Command[]
  describe: Describe
  log: Log
  /** Absent: long polling. */
  webhookSecret?: string
  /** Where people's browsers and Telegram reach us; for the webhook. */
  publicUrl?: string
}

export function createTelegram(options: TelegramOptions): Telegram {
  const { token, database, commands, describe, log, webhookSecret, publicUrl } = options
  const apiUrl = options.apiUrl.replace(/\/+$/, '')
  const api = createBotApi(token, apiUrl)
  const files = createFiles({ api, apiUrl, token })
  const inbox = createInbox(database, token.slice(0, token.indexOf(':')))
  const leaving = new AbortController()
  const line = createLine({ log, signal: leaving.signal })
  const timers: NodeJS.Timeout[] = []
  let intake: Intake | undefined
  let ended: Promise<void> = Promise.resolve()

  async function introduce(handle: (call: Call) => Promise<void>): Promise<Intake> {
    const me = await api.getMe()
    if (webhookSecret) {
      const url = new URL(telegramWebhookPath, publicUrl).href
      await api.setWebhook(url, { secret_token: webhookSecret, allowed_updates: allowedUpdates })
    } else await api.deleteWebhook()
    await tellCommands(api, commands, describe).catch((error: unknown) => {
      log.warn({ reason: reasonOf(error) }, 'Telegram was not told the commands')
    })
    const made = createIntake({ inbox, reader: createReader({ me, commands, files }), handle, log })
    await pruneInbox(database)
    await made.resume()
    return made
  }

  function every(ms: number, action: () => Promise<void>) {
    const act = () =>
      action().catch((error) => log.warn({ reason: reasonOf(error) }, "Telegram's inbox is not in reach"))
    timers.push(setInterval(act, ms).unref())
  }

  return {
    name: 'telegram',
    postsAnew: true,

    async start(handle) {
      await line.reach(async () => {
        intake = await introduce(handle)
      })
      if (!intake) return
      const here = intake
      every(pruneEveryMs, () => pruneInbox(database))
      if (webhookSecret) every(lookEveryMs, () => here.resume())
      else ({ ended } = await startPolling({ api, intake: here, line, signal: leaving.signal }))
    },

    async stop() {
      leaving.abort()
      for (const timer of timers) clearInterval(timer)
      await ended
      await intake?.close(graceMs)
      await files.close()
    },

    notReady: line.problem,
    ...createShow(api),

    async handleUpdate(body, secret) {
      if (!webhookSecret || typeof secret !== 'string' || !isSame(secret, webhookSecret)) return 401
      if (!isUpdate(body)) return 400
      if (intake) await intake.accept([body])
      else if (body.message) await inbox.store([body])
      return 200
    },
  }
}

/** In the same time whatever the difference. */
function isSame(given: string, wanted: string): boolean {
  const [a, b] = [given, wanted].map((text) => createHash('sha256').update(text).digest())
  return a !== undefined && b !== undefined && timingSafeEqual(a, b)
}

function isUpdate(body: unknown): body is Update {
  return typeof body === 'object' && body !== null && 'update_id' in body && Number.isInteger(body.update_id)
}
