/** What Discord and its network do to interactions under way. STORM and GATEWAY_DROPS make the runs longer. */
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { expect, it } from 'vitest'
import { pngOf } from '../helpers/core.ts'
import { openOnDiscord } from '../helpers/discord.ts'
import { noRedis, startRedis } from '../helpers/redis.ts'
import { storm } from './storm.ts'

const stormSize = Number(process.env.STORM ?? 100)
const drops = Number(process.env.GATEWAY_DROPS ?? 10)

it.skipIf(noRedis)(
  'interactions are acknowledged while Redis is stopped',
  async () => {
    const redis = await startRedis()
    const on = await openOnDiscord({ redis: { redisUrl: redis.url } })
    await redis.stop()
    const { missed } = await storm(on.discord, { interactions: stormSize, perSecond: 50 })
    expect(missed).toBe(0)
    await on.close()
    expect(on.discord.violations).toEqual([])
  },
  120_000,
)

it('a picture is posted once although the gateway is dropped while it is drawn', async () => {
  const drawMs = 150
  const slow = {
    name: 'sketch',
    repeatable: true,
    start: async () => {
      await sleep(drawMs)
      return { state: 'done' as const, images: [await pngOf(32, 32)] }
    },
  }
  const on = await openOnDiscord({ providers: [slow] })
  const { discord, test } = on
  const asked = []
  for (let number = 0; number < drops; number++) {
    const interaction = discord.slash(
      'flux',
      { prompt: `a fox ${number}` },
      { userId: String(10n ** 17n + BigInt(number)) },
    )
    await sleep(Math.random() * 2 * drawMs)
    discord.dropGateway()
    await interaction.waitForReply(({ attachments }) => attachments.length === 1)
    asked.push(interaction)
  }
  const rows = await test.core.database.rows<{ n: number }>(sql`select count(*)::int as n from generations`)
  expect(rows[0]?.n).toBe(drops)
  expect(asked.flatMap((each) => each.followUps())).toEqual([])
  expect(discord.botMessages()).toHaveLength(drops)
  await on.close()
  expect(discord.violations).toEqual([])
}, 600_000)
