/** The whole bot on an emulated Telegram: a core with its worker, and the chat as the only surface. */
import { sql } from 'drizzle-orm'
import { allActions } from '../../src/bots/actions/index.ts'
import { allCommands } from '../../src/bots/commands/index.ts'
import { createDispatch } from '../../src/bots/dispatch.ts'
import { createTelegram, type Telegram } from '../../src/bots/telegram/telegram.ts'
import { startTelegram, type TelegramEmulator, type TelegramOptions } from '../emulators/telegram/index.ts'
import { quickest } from './backends.ts'
import { openTestCore, type TestCore, type TestCoreOptions } from './core.ts'
import { keepLog } from './log.ts'

export interface TestTelegram extends TestCore {
  telegram: TelegramEmulator
  bot: Telegram
  /** Starts another process of the same bot. `starts` false: it only takes calls of the webhook. */
  another(over?: Partial<BotOptions>, options?: { starts?: boolean }): Promise<Telegram>
  /** States of all requests, oldest first. */
  states(): Promise<string[]>
  /** Resolves once nothing in the inbox waits. */
  quiet(): Promise<void>
  /** Resolves once every request has ended. */
  atRest(): Promise<void>
}

type BotOptions = Parameters<typeof createTelegram>[0]

interface Options extends Omit<TestCoreOptions, 'surfaces' | 'chat'> {
  telegram?: TelegramOptions
  bot?: Partial<BotOptions>
  /** false: requests stay in the queue. Default true. */
  works?: boolean
}

export async function openTestTelegram({ telegram: emulated, bot: over, works = true, ...options }: Options = {}) {
  const telegram = await startTelegram(emulated)
  const bots: Telegram[] = []
  const create = (database: BotOptions['database'], more: Partial<BotOptions> = {}): Telegram => {
    const { token, apiUrl } = telegram
    const bot = createTelegram({ token, apiUrl, database, commands: allCommands, log: keepLog(), ...over, ...more })
    bots.push(bot)
    return bot
  }
  const test = await openTestCore(quickest, { ...options, surfaces: ({ database }) => [create(database)] })
  const dispatch = createDispatch(test.core, { commands: allCommands, actions: allActions })
  const [bot] = bots
  if (!bot) throw new Error('the core created no surface')
  await bot.start(dispatch)
  if (works) await test.work()
  const opened: TestTelegram = {
    ...test,
    telegram,
    bot,
    another: async (more, { starts = true } = {}) => {
      const next = create(test.core.database, more)
      if (starts) await next.start(dispatch)
      return next
    },
    states: async () => {
      const rows = await test.core.database.rows<{ state: string }>(sql`select state from generations order by id`)
      return rows.map(({ state }) => state)
    },
    quiet: () => untilNone(test, sql`select key from inbox where handled_at is null limit 1`),
    atRest: () =>
      untilNone(test, sql`select id from generations where state not in ('delivered','failed','cancelled') limit 1`),
    async close() {
      await Promise.all(bots.map((each) => each.stop()))
      await test.close()
      await telegram.stop()
    },
  }
  return opened
}

async function untilNone({ core }: TestCore, query: ReturnType<typeof sql>): Promise<void> {
  while ((await core.database.rows(query)).length > 0) await new Promise((resolve) => setTimeout(resolve, 20))
}
