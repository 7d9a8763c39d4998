/** All edits in a group together keep within Telegram's limits, and results come first. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { allActions } from '../../src/bots/actions/index.ts'
import { allCommands } from '../../src/bots/commands/index.ts'
import { createDispatch } from '../../src/bots/dispatch.ts'
import { telegramPace } from '../../src/bots/telegram/pace.ts'
import { createTelegram } from '../../src/bots/telegram/telegram.ts'
import type { ImageProvider } from '../../src/core/ports/providers.ts'
import { startTelegram, type TelegramEmulator } from '../emulators/telegram/index.ts'
import { quickest } from '../helpers/backends.ts'
import { createPlain, openTestCore, pngOf, type TestCore } from '../helpers/core.ts'
import { createGate } from '../helpers/gate.ts'
import { keepLog } from '../helpers/log.ts'

const group = { chatId: -1001000000001, chatType: 'supergroup' as const }
/** Stands for a minute. */
const minuteMs = 4_000
const jobs = 8

let telegram: TelegramEmulator
let test: TestCore
const drawing = createGate()

beforeEach(async () => {
  // a minute of this test is shorter
  telegram = await startTelegram({ flood: false })
  let percent = 0
  const provider: ImageProvider = {
    ...createPlain(),
    start: async () => ({ state: 'pending', ticket: {}, waitMs: 20 }),
    check: async (ticket) => ({ state: 'pending', ticket, waitMs: 20, percent: percent++ % 100 }),
  }
  const { check } = provider
  let isDrawn = false
  void drawing.pass(undefined).then(() => {
    isDrawn = true
  })
  provider.check = async (...args) => (isDrawn ? { state: 'done', images: [await pngOf(64, 64)] } : check!(...args))
  test = await openTestCore(quickest, {
    providers: [provider],
    surfaces: ({ database }) => {
      const surface = createTelegram({
        token: telegram.token,
        apiUrl: telegram.apiUrl,
        database,
        commands: allCommands,
        log: keepLog(),
        pace: {
          group: [
            { calls: 1, ms: minuteMs / 60 },
            { calls: 10, ms: minuteMs },
          ],
          private: [],
          overall: [{ calls: 30, ms: 1_000 }],
          turns: {
            ...telegramPace.turns,
            group: { always: [{ calls: 20, ms: minuteMs }], afterRefusal: [] },
          },
        },
      })
      // as often as there is room
      return [Object.assign(surface, { paceMs: 50 })]
    },
  })
})

afterEach(async () => {
  await test.core.surfaces.get('telegram')?.stop()
  await test.close()
  await telegram.stop()
  expect(telegram.violations).toEqual([])
})

const calls = () =>
  telegram.requests.filter(({ method, params }) => params.chat_id !== undefined && method !== 'getChat')

it('lets edits give way to results: at most 20 calls a minute in a group with eight slow requests', async () => {
  const surface = test.core.surfaces.get('telegram')!
  await surface.start(createDispatch(test.core, { commands: allCommands, actions: allActions }))
  await test.work()
  for (let n = 0; n < jobs; n++) telegram.say(`/flux cat ${n}`, { ...group, userId: 501 + n })
  const progress = () => telegram.requests.filter(({ method }) => method === 'editMessageText')
  // progress goes on after a minute has passed, as far as there is room
  await expect.poll(() => progress().length).toBeGreaterThan(12)
  drawing.open()
  const results = () => telegram.botMessages(group.chatId).filter(({ photo }) => photo)
  await expect.poll(() => results().length).toBe(jobs)

  const times = calls().map(({ at }) => at)
  const busiest = Math.max(...times.map((start) => times.filter((at) => at >= start && at < start + minuteMs).length))
  expect(busiest).toBeLessThanOrEqual(20)
  // none was refused, and none was edited after its result
  expect(calls().filter(({ status }) => status !== 200)).toEqual([])
  expect(calls().filter(({ method }) => method === 'sendMessage')).toHaveLength(jobs)
  expect(calls().filter(({ method }) => method === 'editMessageMedia')).toHaveLength(jobs)
})
