/** Telegram, by long polling or by webhook. Posts and edits in any process, started or not. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Message, Update } from 'grammy/types'
import { readSettings } from '../../core/accounts/settings.ts'
import { createChatPace } from '../../core/chats/pace.ts'
import { AppError } from '../../core/errors.ts'
import { splitName } from '../../core/ids.ts'
import type { Call, ChatSurface } from '../../core/ports/chat.ts'
import type { Database } from '../../db/database.ts'
import type { Json } from '../../db/json.ts'
import type { Log } from '../../log.ts'
import type { Rounds } from '../buying/rounds.ts'
import type { AnyCommand } from '../command.ts'
import { type Inbox, openInbox } from '../inbox.ts'
import { type Received, storeActs } from '../inbox-store.ts'
import { fromPosted, toAddress } from './address.ts'
import { createAnnouncingApi, createBotApi, createProgressApi, manages, openPrivate, reasonOf } from './bot-api.ts'
import { type CallReader, createCallReader } from './incoming/calls.ts'
import { createDialogues, type Replied } from './incoming/dialogues.ts'
import { createFiles } from './incoming/files.ts'
import { createInline } from './incoming/inline.ts'
import { laneOf } from './incoming/parts.ts'
import { nameOfReport, reportedIn } from './incoming/payments.ts'
import { allowedUpdates, createConnection, startPolling } from './incoming/polling.ts'
import { setMenus } from './menu.ts'
import { followGroup, type Migration, migrationIn } from './migration.ts'
import { createAnnouncer } from './outgoing/announcements.ts'
import { fileLimits } from './outgoing/pictures.ts'
import { createSender } from './outgoing/send.ts'
import { countCalls, isGroup, notePauses, paceName, progressRoom, type TelegramPace, telegramPace } from './pace.ts'
import { createCheckout } from './stars/checkout.ts'
import { keepReconciling } from './stars/reconcile.ts'
import { createRefunds } from './stars/refunds.ts'

export const telegramWebhookPath = '/telegram/webhook'

const graceMs = 10_000

export interface Telegram extends ChatSurface {
  /**
   * A call of the webhook, in any process. `secret`: the header X-Telegram-Bot-Api-Secret-Token. Resolves to the status to
   * answer with. Rejects when the update could not be stored: answer 500, and Telegram sends it again.
   */
  handleUpdate(body: unknown, secret: unknown): Promise<200 | 400 | 401>
}

interface TelegramOptions {
  token: string
  /** https://api.telegram.org, or a Bot API server of the operator's own. */
  apiUrl: string
  database: Database
  commands: readonly AnyCommand[]
  /** Identities of administrators, whose chats list their commands. Default: none. */
  admins?: ReadonlySet<string>
  log: Log
  /** Absent: long polling. */
  webhookSecret?: string
  /** Where Telegram reaches the webhook. */
  publicUrl?: string
  /** Default: Telegram's limits. */
  pace?: TelegramPace
}

export function createTelegram(options: TelegramOptions): Telegram {
  const { token, database, commands, log, webhookSecret, publicUrl } = options
  const apiUrl = options.apiUrl.replace(/\/+$/, '')
  const botId = token.split(':', 1)[0] ?? ''
  const chatPace = createChatPace(database)
  const pace = options.pace ?? telegramPace
  const api = createBotApi(token, apiUrl, countCalls(chatPace, botId, pace))
  const files = createFiles({ api, apiUrl, token, publicUrl })
  const dialogues = createDialogues(database)
  const onMigrated = (migration: Migration) => followGroup(database, migration)
  const sender = createSender(api, dialogues, onMigrated)
  const progressSender = createSender(
    createProgressApi(token, apiUrl, notePauses(chatPace, botId)),
    dialogues,
    onMigrated,
  )
  const announcer = createAnnouncer({ api: createAnnouncingApi(token, apiUrl), chatPace, botId, pace })
  const answerInline = createInline({ api, database, log })
  const answerCheckout = createCheckout({ api, database, log })
  const inboxName = `telegram:${botId}`
  const leaving = new AbortController()
  const connection = createConnection({ log, signal: leaving.signal })
  let reader: CallReader | undefined
  let inbox: Inbox | undefined
  /** Absent: not connected yet. */
  let botName: string | undefined
  let ended: Promise<void> = Promise.resolve()
  let reconciling: Rounds | undefined
  /** The calls of a webhook come by themselves. */
  let upToDateMs = (): number | undefined => (webhookSecret ? 0 : undefined)

  async function introduce(): Promise<CallReader> {
    const me = await api.getMe()
    botName = me.username
    if (webhookSecret) {
      const url = `${publicUrl}${telegramWebhookPath}`
      await api.setWebhook(url, { secret_token: webhookSecret, allowed_updates: allowedUpdates })
    } else await api.deleteWebhook()
    await setMenus(api, { database, log, botId, commands, admins: options.admins ?? new Set() }).catch(
      (error: unknown) => {
        log.warn({ reason: reasonOf(error) }, 'could not register the commands with Telegram')
      },
    )
    return createCallReader({ me, commands, files })
  }

  function actOf(update: Update): Received {
    const body = update as unknown as Json
    const reported = reportedIn(update.message)
    if (!reported) return { key: `${inboxName}:${update.update_id}`, ...laneOf(update), body }
    const { name, lane } = nameOfReport(reported)
    return { key: `${inboxName}:${name}`, lane, body }
  }

  /** undefined: not for us, or not readable. */
  function readWith<T>(read: () => T, updates: readonly Update[]): T | undefined {
    try {
      return read()
    } catch (error) {
      log.error({ update: updates[0]?.update_id, reason: reasonOf(error) }, 'an update from Telegram could not be read')
      return undefined
    }
  }

  /** A text or a picture that replies to a question of ours answers it. undefined: it was refused, and the person has the reason. */
  async function asAnswer(call: Call, message: Message | undefined): Promise<Call | undefined> {
    const replied = message?.reply_to_message
    if (!replied || call.act.kind !== 'message') return call
    try {
      const read = await dialogues.read(call, questionIn(replied))
      // the preview of a link is no answer
      return read.act.kind === 'form' && message.text !== undefined ? { ...read, images: [] } : read
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      await refuse(call, error)
      return undefined
    }
  }

  async function refuse(call: Call, { kind: error, data }: AppError): Promise<void> {
    const content = { kind: 'refusal', error, data } as const
    const { chosen } = await readSettings({ database }, call)
    const locale = chosen.language ?? call.locale
    await sender.post(call.address, { locale, state: 'failed', content, private: true })
  }

  async function receive(updates: readonly Update[]): Promise<void> {
    for (const { pre_checkout_query: query } of updates) if (query) answerCheckout(query)
    for (const { inline_query: query } of updates) if (query) answerInline(query)
    for (const migration of updates.flatMap((update) => migrationIn(update) ?? [])) await onMigrated(migration)
    const calls = reader
    if (!calls || !inbox) return storeActs(database, inboxName, updates.filter(isAct).map(actOf))
    const acts = updates.flatMap((update): Received[] => {
      const act = actOf(update)
      if (readWith(() => calls.concerns(update), [update])) return [act]
      // the rest of a long text does not name the bot again
      return act.joins ? [{ ...act, album: undefined, partOnly: true }] : []
    })
    await inbox.store(acts)
  }

  return {
    name: 'telegram',
    postsAnew: true,
    asksAboutPictures: true,
    fileLimits: () => fileLimits,
    payments: { refund: createRefunds(api) },
    announcer,
    deepLink: (word) => botName && `https://t.me/${botName}?start=${word}`,

    async start(handle: (call: Call) => Promise<void>) {
      await connection.retry(async () => {
        reader = await introduce()
      })
      const calls = reader
      if (!calls) return
      inbox = await openInbox({
        database,
        name: inboxName,
        log,
        upToDateMs: () => upToDateMs(),
        handle: async (bodies, { late, editsPart }) => {
          const updates = bodies as unknown as Update[]
          const call = readWith(() => calls.callOf(updates, late), updates)
          if (!call) return 'not_ours'
          // drawn on its own, it would be paid for as half of what the person asked
          if (late) return refuse(call, new AppError('late_part'))
          if (editsPart) return refuse(call, new AppError('edited_part'))
          const answered = await asAnswer(call, updates[0]?.message ?? updates[0]?.edited_message)
          if (answered) await handle(answered)
        },
      })
      reconciling = keepReconciling({ api, database, log, name: inboxName })
      if (webhookSecret) return
      const polling = await startPolling({
        api,
        connection,
        signal: leaving.signal,
        database,
        name: inboxName,
        receive,
      })
      ended = polling.ended
      upToDateMs = polling.upToDateMs
    },

    async stop() {
      leaving.abort()
      await reconciling?.stop()
      await ended
      await inbox?.close(graceMs)
      await files.close()
    },

    notReady: connection.problem,
    privately: (address, person) => openPrivate(api, address, person),
    privateChat: async (person) => toAddress({ kind: 'chat', chatId: Number(splitName(person).id) }),
    // the bot gets '/start <payload>'
    manages: (place, person) => manages(api, place, person),
    ...sender,
    edit: (posted, reply, sent) => (reply.state === 'waiting' ? progressSender : sender).edit(posted, reply, sent),

    async takeRoom(posted) {
      const { chatId } = fromPosted(posted).target
      const hasRoom = await chatPace.takeRoom(paceName(botId, chatId), isGroup(chatId) ? pace.group : pace.private)
      return hasRoom && (await chatPace.takeRoom(paceName(botId, 'all'), progressRoom(pace)))
    },

    async handleUpdate(body, secret) {
      if (!webhookSecret || typeof secret !== 'string' || !isSame(secret, webhookSecret)) return 401
      if (!isUpdate(body)) return 400
      await receive([body])
      return 200
    },
  }
}

/** Questions are plain texts of a bot, without buttons. */
function questionIn({ chat, message_id: messageId, from, text, reply_markup, date }: Message): Replied {
  const mayBeQuestion = from?.is_bot === true && text !== undefined && reply_markup === undefined
  return { chatId: chat.id, messageId, sentAt: mayBeQuestion ? date : undefined }
}

/** These queries are over before the inbox would get to them. */
const isAct = ({ inline_query: inline, pre_checkout_query: checkout }: Update) =>
  inline === undefined && checkout === undefined

/** Takes the same time for any difference. */
function isSame(given: string, expected: string): boolean {
  const [a, b] = [given, expected].map((text) => createHash('sha256').update(text).digest())
  return a !== undefined && b !== undefined && timingSafeEqual(a, b)
}

function isUpdate(body: unknown): body is Update {
  return typeof body === 'object' && body !== null && 'update_id' in body && Number.isInteger(body.update_id)
}
