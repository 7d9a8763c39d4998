/** A bot on grammY that is connected to a fresh emulator for each test, for tests of the emulator. */
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Api, Bot, GrammyError, InputFile, type PollingOptions } from 'grammy'
import type { Update } from 'grammy/types'
import sharp from 'sharp'
import { startTelegram, type TelegramEmulator, type TelegramOptions } from './index.ts'

export const user = 501

export interface TestBot {
  telegram: TelegramEmulator
  api(): Api
  bot(): Bot
  /** Resolves once the bot polls. */
  start(bot: Bot, options?: PollingOptions): Promise<void>
  /** Starts a bot that keeps its updates. */
  poll(): Promise<{ bot: Bot; updates: Update[] }>
  /** Number of getUpdates calls. */
  polls(): number
  photo(width: number, height: number, caption?: string): Promise<unknown>
  download(fileId: string): Promise<Buffer>
  /** Starts an HTTP server and returns the URL of a webhook on it. */
  listen(handle: RequestListener): Promise<string>
  /** Stops everything in reverse order. */
  stop(): Promise<void>
}

export async function openTestBot(options: TelegramOptions = {}): Promise<TestBot> {
  const telegram = await startTelegram(options)
  const stops: (() => unknown)[] = [() => telegram.stop()]
  const client = { apiRoot: telegram.apiUrl }
  const test: TestBot = {
    telegram,
    api: () => new Api(telegram.token, client),
    bot: () => new Bot(telegram.token, { client }),

    async start(bot, polling = {}) {
      await new Promise<void>((running, failed) => {
        bot.start({ timeout: 20, ...polling, onStart: () => running() }).catch(failed)
      })
      stops.push(() => bot.stop())
    },

    async poll() {
      const bot = test.bot()
      const updates: Update[] = []
      bot.use((context) => void updates.push(context.update))
      await test.start(bot)
      return { bot, updates }
    },

    polls: () => telegram.requests.filter(({ method }) => method === 'getUpdates').length,

    async photo(width, height, caption) {
      return test.api().sendPhoto(user, new InputFile(await picture(width, height), 'x.png'), { caption })
    },

    async download(fileId) {
      const { file_path: path } = await test.api().getFile(fileId)
      const response = await fetch(`${telegram.apiUrl}/file/bot${telegram.token}/${path}`)
      return Buffer.from(await response.arrayBuffer())
    },

    async listen(handle) {
      const server = createServer(handle)
      await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
      stops.push(() => {
        server.closeAllConnections()
        server.close()
      })
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}/telegram`
    },

    async stop() {
      for (const stop of stops.toReversed()) await stop()
    },
  }
  return test
}

/** Resolves with the code and description of a failed call. */
export async function errorOf(call: Promise<unknown>): Promise<string> {
  const error = await call.then(
    () => 'no error',
    (thrown: unknown) => thrown,
  )
  return error instanceof GrammyError ? `${error.error_code} ${error.description}` : String(error)
}

export function picture(width: number, height: number): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background: '#48c' } })
    .png()
    .toBuffer()
}
