/**
 * The Telegram Bot API on a local port: good enough for grammY, strict enough to refuse what Telegram refuses, in its words.
 * Nothing here knows a test runner, so it also runs as a process of its own.
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
import { createHttp, faultAnswers } from './http.ts'
import { createOracle } from './oracle.ts'
import { createPayments, type Payments } from './payments.ts'
import { createPeople, type People } from './people.ts'
import { toShown } from './render.ts'
import { sending } from './sending.ts'
import type { Call, Method, Telegram } from './telegram.ts'
import type { CommandList, Recorded, ShownMessage } from './types.ts'
import { createUpdates } from './updates.ts'
import { createWebhook } from './webhook.ts'
import { createWorld, type StoredMessage } from './world.ts'

export type * from './types.ts'

export interface TelegramOptions {
  /** Absent: any free one. */
  port?: number
  token?: string
  botUsername?: string
  /** Telegram's api.json. Absent: `$FLUXBOT_SPECS` or `../shared/specs`, `telegram-bot-api.json` in it. Not there: no checks. */
  specPath?: string
  /** After a webhook's first failure; doubles with each that follows. Default 100 ms; the real one takes seconds. */
  webhookRetryMs?: number
  /** true: as the real server, hold a getUpdates that repeats the last one within 3 s. Makes `bot.stop()` take 3 s. */
  pacing?: boolean
  /** false: forget the bytes of files the bot sent, for long runs. */
  keepBytes?: boolean
  /** Remember only about this many requests. Default: all. */
  keepRequests?: number
  /** For faults with a probability. */
  random?: () => number
}

export interface TelegramEmulator extends People, Pick<Payments, 'pay'> {
  /** For grammY's `apiRoot` and TELEGRAM_API_URL. */
  apiUrl: string
  token: string
  bot: User
  requests: Recorded[]
  /** What contradicts Telegram's API description, in the bot's calls and in our answers and updates. Each text once. */
  violations: string[]
  faults: Faults
  /** What setMyCommands stored. */
  readonly commands: CommandList[]
  /** What is there now, the bot's and people's, oldest first; without deleted ones. */
  messages(chatId: number): ShownMessage[]
  /** A message there that pleases the predicate: now, or after the next change of one. */
  waitFor(chatId: number, predicate: (message: ShownMessage) => boolean, timeoutMs?: number): Promise<ShownMessage>
  /** A finished call: already recorded, or the next one. */
  waitForCall(method: string, predicate?: (call: Recorded) => boolean, timeoutMs?: number): Promise<Recorded>
  /** Updates the bot has not confirmed. */
  pendingUpdates(): number
  stop(): Promise<void>
}

const WAIT_MS = 5000

export async function startTelegram(options: TelegramOptions = {}): Promise<TelegramEmulator> {
  const token = options.token ?? '7000000001:AAEhBOweik6ad6PsVMRxjeQHGh8I4kZzZzZ'
  const { keepBytes = true, keepRequests = Number.POSITIVE_INFINITY, pacing = false, webhookRetryMs = 100 } = options
  const oracle = createOracle(options.specPath ?? defaultSpecPath())

  const requests: Recorded[] = []
  const violations = new Set<string>()
  const complain = (text: string) => void violations.add(text)
  const faults = createFaults({ answers: faultAnswers, random: options.random })
  const called = createSignal<Recorded>()

  const updates = createUpdates({ firstId: firstUpdateId(), pacing })
  const telegram: Telegram = {
    world: createWorld(createBot(token, options.botUsername ?? 'fluxbot_test_bot')),
    files: createFiles({ keepBytes }),
    updates,
    webhook: createWebhook({
      updates,
      retryMs: webhookRetryMs,
      onReply: ({ method, ...params }) => void answerReply(String(method), params),
    }),
    commands: new Map(),
    presses: new Map(),
    messageChanged: createSignal<StoredMessage>(),
    answered: createSignal<void>(),
    emit(body) {
      const update = updates.push(body)
      for (const text of oracle?.update(update) ?? []) complain(text)
      return update
    },
    complain,
  }
  const payments = createPayments(telegram)
  const methods = byLowerCase({ ...account, ...sending, ...editing, ...payments.methods })

  async function run(call: Call, isText: boolean): Promise<unknown> {
    const found = methods.get(call.method.toLowerCase())
    if (!found) {
      const name = oracle?.methodName(call.method)
      complain(name ? `${name}: Telegram has this method, the emulator does not` : `${call.method}: no such method`)
      throw notFound()
    }
    for (const text of oracle?.request(found.name, call.params, { files: call.files, isText }) ?? []) complain(text)
    const result = await found.method(telegram, call)
    for (const text of oracle?.result(found.name, result) ?? []) complain(text)
    return result
  }

  /** A webhook may answer with a method call; nobody hears whether it worked. */
  async function answerReply(method: string, params: Recorded['params']) {
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
    complain,
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
    waitFor(chatId, predicate, timeoutMs = WAIT_MS) {
      const look = (changed?: StoredMessage) => {
        if (!changed) return messages(chatId).find(predicate)
        const shown = changed.room.chat.id === chatId && isShown(changed) ? toShown(changed) : undefined
        return shown && predicate(shown) ? shown : undefined
      }
      const silence = () => `no such message in chat ${chatId} for ${timeoutMs} ms; ${summary(messages(chatId))}`
      return telegram.messageChanged.until(look, timeoutMs, silence)
    },
    waitForCall(method, predicate = () => true, timeoutMs = WAIT_MS) {
      const pleases = (call: Recorded) => call.method === method && (call.status > 0 || !!call.fault) && predicate(call)
      const look = (call?: Recorded) => (call ? [call] : requests).find(pleases)
      const silence = () =>
        `no such ${method} for ${timeoutMs} ms; called: ${requests.map((call) => call.method).join(', ')}`
      return called.until(look, timeoutMs, silence)
    },
    pendingUpdates: () => updates.queue.length,
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

/** Grows from one start to the next, so that an emulator that comes back does not repeat ids. */
function firstUpdateId(): number {
  return Math.floor(Date.now() / 1000) - 1_600_000_000
}

function byLowerCase(methods: Record<string, Method>): Map<string, { name: string; method: Method }> {
  return new Map(Object.entries(methods).map(([name, method]) => [name.toLowerCase(), { name, method }]))
}

/** People see that a topic was opened, but a test does not want to count it. */
function isShown({ deleted, extra }: StoredMessage): boolean {
  return !deleted && !extra.forum_topic_created
}

function summary(shown: ShownMessage[]): string {
  const lines = shown
    .slice(-10)
    .map(({ messageId, fromBot, text }) => `${messageId} ${fromBot ? 'bot' : 'person'}: ${text}`)
  return lines.length > 0 ? `last there:\n${lines.join('\n')}` : 'there is nothing'
}
