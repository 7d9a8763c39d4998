/**
 * The Telegram Bot API on a local port. Works with grammY and rejects what Telegram rejects, with the same error texts. Does
 * not depend on a test runner, so it can also run in a process of its own.
 */
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { User } from '@grammyjs/types'
import { createSignal } from '../discord/signal.ts'
import { createFaults, type Faults } from '../faults.ts'
import { account } from './account.ts'
import { editing } from './editing.ts'
import { notFound } from './errors.ts'
import { createFiles } from './files.ts'
import { createFlood } from './flood.ts'
import { createHttp, faultAnswers } from './http.ts'
import { createInline, type Inline } from './inline.ts'
import { createOracle } from './oracle.ts'
import { CHECKOUT_LIFE_MS, createPayments, type Payments } from './payments.ts'
import { createPeople, type People } from './people.ts'
import { createPresses } from './presses.ts'
import { toShown } from './render.ts'
import { sending } from './sending.ts'
import type { Call, Method, Telegram } from './telegram.ts'
import type { CommandList, FloodLimits, Recorded, ShownMessage } from './types.ts'
import { createUpdates } from './updates.ts'
import { createWebhook } from './webhook.ts'
import { createWorld, type StoredMessage } from './world.ts'

export type * from './types.ts'

export interface TelegramOptions {
  /** Default: any free port. */
  port?: number
  token?: string
  botUsername?: string
  /**
   * Description of the Bot API; without the file nothing is checked against it.
   * Default: `telegram-bot-api.json` in `$FLUXBOT_SPECS`, else in `../shared/specs`.
   */
  specPath?: string
  /** Milliseconds before the first retry of a webhook. Doubles after each failure. Default 100; Telegram waits seconds. */
  webhookRetryMs?: number
  /** true: hold a getUpdates that repeats the previous one within 3 s, as Telegram does. `bot.stop()` then takes 3 s. */
  pacing?: boolean
  /** Time in which a button press can be answered, milliseconds. Default 150,000. */
  pressLifeMs?: number
  /** Time in which a pre-checkout query can be answered, milliseconds. Default 10,000. */
  checkoutLifeMs?: number
  /** Time in which an inline query can be answered, milliseconds. Default 30,000. */
  inlineLifeMs?: number
  /** Largest photo, bytes. Default 10 MiB. */
  maxPhotoBytes?: number
  /** Largest file, bytes. Default 50 MiB. */
  maxFileBytes?: number
  /** false: drop the bytes of the bot's files, for long runs. Default true. */
  keepBytes?: boolean
  /** Number of latest requests to keep, at least. Default: all. */
  keepRequests?: number
  /** Limits over which calls get 429. false: none. Default: `floodLimits`. */
  flood?: FloodLimits | false
  /** Random numbers for faults with a probability. Default `Math.random`. */
  random?: () => number
}

export interface TelegramEmulator extends People, Omit<Payments, 'methods'>, Pick<Inline, 'askInline'> {
  /** Value for `apiRoot` of grammY and for TELEGRAM_API_URL. */
  apiUrl: string
  token: string
  bot: User
  requests: Recorded[]
  /** Violations of the API description, in the bot's calls and the emulator's responses and updates, without repeats. */
  violations: string[]
  faults: Faults
  /** Lists stored by setMyCommands. */
  readonly commands: CommandList[]
  /** Messages in the chat that are not deleted, oldest first. */
  messages(chatId: number): ShownMessage[]
  /** Messages of the bot in the chat that are not deleted, oldest first. */
  botMessages(chatId: number): ShownMessage[]
  /** Resolves with a message in the chat that satisfies the predicate: a current one, or the next one that is sent or edited. */
  waitFor(chatId: number, predicate: (message: ShownMessage) => boolean, timeoutMs?: number): Promise<ShownMessage>
  /** Resolves with a finished call that satisfies the predicate: a recorded one, or the next one. */
  waitForCall(method: string, predicate?: (call: Recorded) => boolean, timeoutMs?: number): Promise<Recorded>
  /** Number of updates that the bot has not confirmed. */
  pendingUpdates(): number
  /** Sets limits on messages and edits, over which calls get 429, in place of the earlier ones. undefined: none. */
  limitFlood(limits: FloodLimits | undefined): void
  /**
   * Posts each update of the webhook to a second URL as well, at the same time and without retries. This is how a process
   * behind a proxy receives an update that another process received too. undefined: no longer.
   */
  mirrorWebhook(url: string | undefined): void
  stop(): Promise<void>
}

const WAIT_MS = 60_000

/** Telegram's documented limits. It does not say how long a burst in one chat may be. */
export const floodLimits: FloodLimits = {
  perChatPerSecond: 1,
  burstSeconds: 20,
  perGroupPerMinute: 20,
  perSecond: 30,
}

export async function startTelegram(options: TelegramOptions = {}): Promise<TelegramEmulator> {
  const token = options.token ?? '7000000001:AAEhBOweik6ad6PsVMRxjeQHGh8I4kZzZzZ'
  const { keepBytes = true, keepRequests = Number.POSITIVE_INFINITY, pacing = false, webhookRetryMs = 100 } = options
  const oracle = createOracle(options.specPath ?? defaultSpecPath())

  const requests: Recorded[] = []
  const violations = new Set<string>()
  const violate = (problem: string) => void violations.add(problem)
  const faults = createFaults({ answers: faultAnswers, random: options.random })
  const called = createSignal<Recorded>()

  const updates = createUpdates({ firstId: firstUpdateId(), pacing })
  const telegram: Telegram = {
    world: createWorld(createBot(token, options.botUsername ?? 'fluxbot_test_bot')),
    files: createFiles({ keepBytes, maxPhotoBytes: options.maxPhotoBytes ?? 10 * 1024 * 1024 }),
    updates,
    webhook: createWebhook({
      updates,
      retryMs: webhookRetryMs,
      onReply: ({ method, ...params }) => void runReply(String(method), params),
    }),
    commands: new Map(),
    presses: createPresses(options.pressLifeMs ?? 150_000),
    flood: createFlood(options.flood === false ? undefined : (options.flood ?? floodLimits)),
    messageChanged: createSignal<StoredMessage>(),
    answered: createSignal<void>(),
    emit(body) {
      const update = updates.push(body)
      for (const problem of oracle?.update(update) ?? []) violate(problem)
      return update
    },
    violate,
  }
  const payments = createPayments(telegram, options.checkoutLifeMs ?? CHECKOUT_LIFE_MS)
  const inline = createInline(telegram, options.inlineLifeMs ?? 30_000)
  const methods = byLowerCase({ ...account, ...sending, ...editing, ...payments.methods, ...inline.methods })

  async function run(call: Call, isText: boolean): Promise<unknown> {
    const found = methods.get(call.method.toLowerCase())
    if (!found) {
      const name = oracle?.methodName(call.method)
      violate(name ? `${name}: the emulator does not have this method` : `${call.method}: no such method`)
      throw notFound()
    }
    for (const problem of oracle?.request(found.name, call.params, { files: call.files, isText }) ?? [])
      violate(problem)
    const result = await found.method(telegram, call)
    for (const problem of oracle?.result(found.name, result) ?? []) violate(problem)
    return result
  }

  /** Runs a method call from the response to a webhook. The bot gets no result. */
  async function runReply(method: string, params: Recorded['params']) {
    const recorded: Recorded = { method, params, files: [], at: Date.now(), status: 0 }
    record(recorded)
    await run({ method, params, files: [], onClose: () => undefined }, false).catch((error: Error) => {
      recorded.description = error.message
    })
    called.fire(recorded)
  }

  function record(recorded: Recorded) {
    requests.push(recorded)
    if (requests.length > keepRequests * 2) requests.splice(0, requests.length - keepRequests)
  }

  const server = createHttp({
    token,
    faults,
    record,
    run,
    violate,
    maxFileBytes: options.maxFileBytes ?? 50 * 1024 * 1024,
    download: telegram.files.download,
    finished(recorded) {
      if (!keepBytes) for (const file of recorded.files) file.data = Buffer.alloc(0)
      called.fire(recorded)
    },
  })
  await new Promise<void>((started, failed) => {
    server.once('error', failed)
    server.listen(options.port ?? 0, '127.0.0.1', started)
  })
  const { port } = server.address() as AddressInfo

  function messages(chatId: number): ShownMessage[] {
    const stored = [...(telegram.world.room(chatId)?.messages.values() ?? [])]
    return stored.filter(isShown).map(toShown)
  }

  return {
    ...createPeople(telegram),
    pay: payments.pay,
    askCheckout: payments.askCheckout,
    refund: payments.refund,
    withdraw: payments.withdraw,
    askInline: inline.askInline,
    apiUrl: `http://127.0.0.1:${port}`,
    token,
    bot: telegram.world.bot,
    requests,
    get violations() {
      return [...violations]
    },
    faults,
    get commands() {
      return [...telegram.commands.values()]
    },
    messages,
    botMessages: (chatId) => messages(chatId).filter(({ fromBot }) => fromBot),
    waitFor(chatId, predicate, timeoutMs = WAIT_MS) {
      const find = (changed?: StoredMessage) => {
        if (!changed) return messages(chatId).find(predicate)
        const shown = changed.room.chat.id === chatId && isShown(changed) ? toShown(changed) : undefined
        return shown && predicate(shown) ? shown : undefined
      }
      const timeoutText = () =>
        `no matching message in chat ${chatId} within ${timeoutMs} ms; ${summary(messages(chatId))}`
      return telegram.messageChanged.until(find, timeoutMs, timeoutText)
    },
    waitForCall(method, predicate = () => true, timeoutMs = WAIT_MS) {
      const isFinished = (call: Recorded) => call.status > 0 || !!call.fault
      const matches = (call: Recorded) => call.method === method && isFinished(call) && predicate(call)
      const find = (call?: Recorded) => (call ? [call] : requests).find(matches)
      const timeoutText = () =>
        `no matching ${method} within ${timeoutMs} ms; calls: ${requests.map((call) => call.method).join(', ')}`
      return called.until(find, timeoutMs, timeoutText)
    },
    pendingUpdates: () => updates.queue.length,
    limitFlood: telegram.flood.limit,
    mirrorWebhook: telegram.webhook.mirror,
    stop() {
      telegram.webhook.remove()
      return new Promise<void>((stopped) => {
        server.close(() => stopped())
        server.closeAllConnections()
      })
    },
  }
}

function defaultSpecPath(): string {
  const folder = process.env.FLUXBOT_SPECS ?? join(import.meta.dirname, '../../../../shared/specs')
  return join(folder, 'telegram-bot-api.json')
}

function createBot(token: string, username: string): User {
  return { id: Number(token.split(':')[0]), is_bot: true, first_name: 'fluxbot', username }
}

/** Grows from one start to the next, so that a restarted emulator does not repeat ids. */
function firstUpdateId(): number {
  return Math.floor(Date.now() / 1000) - 1_600_000_000
}

function byLowerCase(methods: Record<string, Method>): Map<string, { name: string; method: Method }> {
  return new Map(Object.entries(methods).map(([name, method]) => [name.toLowerCase(), { name, method }]))
}

/** Omits the service message that opened a topic, so that tests need not count it. */
function isShown({ deleted, extra }: StoredMessage): boolean {
  return !deleted && !extra.forum_topic_created
}

function summary(shown: ShownMessage[]): string {
  const lines = shown
    .slice(-10)
    .map(({ messageId, fromBot, text }) => `${messageId} ${fromBot ? 'bot' : 'person'}: ${text}`)
  return lines.length > 0 ? `the latest ones:\n${lines.join('\n')}` : 'the chat has no messages'
}
