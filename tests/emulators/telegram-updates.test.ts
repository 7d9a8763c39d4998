/** The Telegram emulator with grammY: updates by polling and by webhook. */
import { HttpError, webhookCallback } from 'grammy'
import type { Update } from 'grammy/types'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { errorOf, openTestBot, type TestBot, user } from './telegram/bot.ts'
import type { TelegramEmulator } from './telegram/index.ts'

let test: TestBot
let telegram: TelegramEmulator

beforeEach(async () => {
  test = await openTestBot()
  telegram = test.telegram
})

afterEach(async () => {
  await test.stop()
  expect(telegram.violations).toEqual([])
})

describe('getUpdates', () => {
  it('returns an update once, and the next offset confirms it', async () => {
    const { updates } = await test.poll()
    const first = telegram.say('one', { userId: user })
    const second = telegram.say('two', { userId: user })
    await expect.poll(() => updates.length).toBe(2)
    expect(updates).toEqual([first.update, second.update])
    expect(second.update.update_id).toBe(first.update.update_id + 1)
    await expect.poll(() => telegram.pendingUpdates()).toBe(0)
  })

  it('holds the connection until there is an update', async () => {
    const { updates, bot } = await test.poll()
    await telegram.waitForCall('deleteWebhook')
    const before = test.polls()
    await new Promise((resolve) => setTimeout(resolve, 300)) // the absence of further calls only shows after a while
    expect(test.polls() - before).toBeLessThanOrEqual(1)
    const said = Date.now()
    telegram.say('wake up', { userId: user })
    await expect.poll(() => updates.length, { interval: 5 }).toBe(1)
    expect(Date.now() - said).toBeLessThan(200)
    await bot.stop()
    expect(test.polls()).toBeLessThanOrEqual(4)
  })

  it('holds the connection for the timeout of the call', async () => {
    const api = test.api()
    const started = Date.now()
    expect(await api.getUpdates({ timeout: 1 })).toEqual([])
    expect(Date.now() - started).toBeGreaterThanOrEqual(990)
  })

  it('repeats updates until they are confirmed, by limit and offset', async () => {
    const api = test.api()
    const [one, two, three] = ['1', '2', '3'].map((text) => telegram.say(text, { userId: user }).update)
    expect(await api.getUpdates({ limit: 2 })).toEqual([one, two])
    expect(await api.getUpdates()).toEqual([one, two, three])
    expect(await api.getUpdates({ offset: two!.update_id + 1 })).toEqual([three])
    expect(await api.getUpdates({ offset: -1 })).toEqual([three])
    expect(await api.getUpdates({ offset: three!.update_id + 1 })).toEqual([])
  })

  it('returns the allowed kinds of updates', async () => {
    const api = test.api()
    await api.getUpdates({ allowed_updates: ['callback_query'] })
    telegram.say('not wanted', { userId: user })
    expect(await api.getUpdates()).toEqual([])
    await api.getUpdates({ allowed_updates: ['message'] })
    telegram.say('wanted', { userId: user })
    expect(await api.getUpdates()).toHaveLength(1)
  })

  it('returns a redelivered update with the same id', async () => {
    const { updates } = await test.poll()
    const { update } = telegram.say('twice', { userId: user })
    await expect.poll(() => updates.length).toBe(1)
    await expect.poll(() => telegram.pendingUpdates()).toBe(0)
    telegram.redeliver(update)
    await expect.poll(() => updates).toEqual([update, update])
  })

  it('ends an earlier call with 409 when a second poller calls', async () => {
    const api = test.api()
    const first = errorOf(api.getUpdates({ timeout: 20 }))
    await expect.poll(() => test.polls()).toBe(1)
    const second = test.api().getUpdates({ timeout: 20 })
    expect(await first).toBe(
      '409 Conflict: terminated by other getUpdates request; make sure that only one bot instance is running',
    )
    telegram.say('for the second', { userId: user })
    expect(await second).toHaveLength(1)
  })

  it('returns the updates of a lost response again', async () => {
    const api = test.api()
    const { update } = telegram.say('precious', { userId: user })
    telegram.faults.add({ kind: 'dropAfter', match: { path: /^getUpdates$/ }, times: 1 })
    await expect(api.getUpdates({ timeout: 5 })).rejects.toBeInstanceOf(HttpError)
    expect(await api.getUpdates({ timeout: 5 })).toEqual([update])
  })
})

describe('a webhook', () => {
  it('gets updates with the secret, in order within a chat, until it responds with 2xx', async () => {
    const bot = test.bot()
    await bot.init()
    const received: string[] = []
    bot.on('message:text', (context) => void received.push(context.message.text))
    const handle = webhookCallback(bot, 'http', { secretToken: 'hush-1' })
    let failures = 2
    const url = await test.listen((req, res) => {
      if (failures === 0) return void handle(req, res)
      failures -= 1
      res.writeHead(503).end()
    })
    await bot.api.setWebhook(url, { secret_token: 'hush-1' })
    for (const text of ['1', '2', '3']) telegram.say(text, { userId: user })
    await expect.poll(() => received).toEqual(['1', '2', '3'])
    await expect.poll(() => telegram.pendingUpdates()).toBe(0)
    const info = await bot.api.getWebhookInfo()
    expect(info).toMatchObject({ url, pending_update_count: 0 })
    expect(info.last_error_message).toBe('Wrong response from the webhook: 503 Service Unavailable')
  })

  it('gets one request of a chat at a time', async () => {
    const running = new Map<number, number>()
    let most = 0
    let together = 0
    const url = await test.listen(async (req, res) => {
      let body = ''
      for await (const chunk of req) body += chunk
      const chat = (JSON.parse(body) as Update).message!.chat.id
      running.set(chat, (running.get(chat) ?? 0) + 1)
      most = Math.max(most, running.get(chat)!)
      together = Math.max(
        together,
        [...running.values()].reduce((sum, count) => sum + count, 0),
      )
      setTimeout(() => {
        running.set(chat, running.get(chat)! - 1)
        res.end()
      }, 20)
    })
    await test.api().setWebhook(url)
    for (const userId of [1, 2, 1, 2, 1]) telegram.say('hi', { userId })
    await expect.poll(() => telegram.pendingUpdates()).toBe(0)
    expect({ most, together }).toEqual({ most: 1, together: 2 })
  })

  it('excludes polling until it is deleted', async () => {
    const api = test.api()
    const held = errorOf(api.getUpdates({ timeout: 20 }))
    await expect.poll(() => test.polls()).toBe(1)
    await api.setWebhook('http://127.0.0.1:9')
    expect(await held).toBe('409 Conflict: terminated by setWebhook request')
    expect(await errorOf(api.getUpdates())).toBe(
      "409 Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
    )
    await api.deleteWebhook({ drop_pending_updates: true })
    expect(await api.getUpdates()).toEqual([])
  })

  it('can respond with a method call', async () => {
    const url = await test.listen((_req, res) => {
      res.setHeader('content-type', 'application/json')
      res.end(JSON.stringify({ method: 'sendMessage', chat_id: user, text: 'at once' }))
    })
    await test.api().setWebhook(url)
    telegram.say('hi', { userId: user })
    expect((await telegram.waitFor(user, ({ fromBot }) => fromBot)).text).toBe('at once')
  })
})
