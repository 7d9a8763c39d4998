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
const keys: string[] = []
const log = keepLog()

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
    log,
  })
  handled.open()
  await bot.start(async ({ key }) => {
    keys.push(key)
    await handled.pass(undefined)
  })
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

it.each([
  ['is handled when Discord says later that it was acknowledged', 'dropAfter', true],
  ['is not handled when Discord says later that it was not acknowledged in time', 'dropBefore', false],
] as const)('%s', async (_name, kind, isHandled) => {
  // more than the attempts of the first 3 seconds
  discord.faults.add({ match: { path: /callback$/ }, kind, times: 4 })
  const person = discord.slash('flux', { prompt: 'a fox' })
  if (kind === 'dropBefore') discord.late(person)
  const isDropped = () => log.lines.some((line) => line.includes(person.id) && line.includes('too late'))
  await expect.poll(() => [keys.includes(`discord:${person.id}`), isDropped()]).toEqual([isHandled, !isHandled])
  expect(person.acknowledgedMs !== undefined).toBe(isHandled)
})
