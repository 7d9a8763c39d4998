/** What happens to an interaction before it is handled. */
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createDiscord } from '../../../src/bots/discord/discord.ts'
import type { ChatSurface } from '../../../src/core/ports/chat.ts'
import { type DiscordEmulator, startDiscord } from '../../emulators/discord/index.ts'
import { openTestDatabase, quickest, type TestDatabase } from '../../helpers/backends.ts'
import { createGate } from '../../helpers/gate.ts'
import { keepLog } from '../../helpers/log.ts'

let discord: DiscordEmulator
let test: TestDatabase
let bot: ChatSurface
const handled = createGate()

beforeAll(async () => {
  test = await openTestDatabase(quickest)
  discord = await startDiscord()
  bot = createDiscord({
    token: discord.token,
    apiUrl: discord.apiUrl,
    database: test.database,
    commands: [],
    actions: [],
    models: () => [],
    facts: { get: async () => undefined, set: async () => undefined },
    log: keepLog(),
  })
  handled.open()
  await bot.start(() => handled.pass(undefined))
  await discord.waitForBot()
})

afterAll(async () => {
  await bot.stop()
  await test.drop()
  await discord.stop()
  expect(discord.violations).toEqual([])
})

it('is stored before it is acknowledged, unless the database is slow', async () => {
  const locked = createGate()
  const locking = test.database.db.transaction(async (tx) => {
    await tx.execute(sql`lock table inbox in access exclusive mode`)
    await locked.pass(undefined)
  })
  await locked.arrived
  const waited = await discord.slash('flux', { prompt: 'a fox' }).waitForAck()
  expect(waited).toBeGreaterThanOrEqual(400)
  expect(waited).toBeLessThan(3_000)
  locked.open()
  await locking
  await handled.arrived
})
