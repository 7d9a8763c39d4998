/** A process that is killed after a purchase on Discord has given its credits, and before Discord knows that it is consumed. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { openDatabase } from '../../src/db/open.ts'
import { snowflake } from '../emulators/discord/ids.ts'
import { startDiscord } from '../emulators/discord/index.ts'
import { backends, createDatabase } from '../helpers/backends.ts'
import { violations } from '../helpers/invariants.ts'
import { freePort } from '../helpers/ports.ts'
import { type Service, startService } from './service.ts'

const timeoutMs = 60_000

describe.skipIf(!backends().includes('postgres'))('a purchase whose process is killed', () => {
  const stops: (() => unknown)[] = []
  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop()
  })

  async function open() {
    const discord = await startDiscord()
    const { url, drop } = await createDatabase()
    const dataDir = await mkdtemp(join(tmpdir(), 'fluxbot-purchases-'))
    stops.push(
      drop,
      () => discord.stop(),
      () => rm(dataDir, { recursive: true, force: true }),
    )
    const start = async (): Promise<Service> => {
      const service = startService({
        DATA_DIR: dataDir,
        DATABASE_URL: url,
        SECRET_KEY: 'a secret for the chaos run, 32 long',
        ADMIN_IDS: `discord:${discord.person.id}`,
        WELCOME_CREDITS: '0',
        LOG_LEVEL: 'warn',
        ROLES: 'bots',
        PORT: String(await freePort()),
        DISCORD_TOKEN: discord.token,
        DISCORD_API_URL: discord.apiUrl,
      })
      stops.push(() => service.kill())
      await service.ready
      return service
    }
    const database: Database = await openDatabase({ url, dataDir, maxConnections: 2 })
    stops.push(() => database.close())
    return { discord, database, start }
  }

  it.each([
    ['before Discord has consumed it', 'hang'],
    ['after Discord has consumed it', 'delayAfter'],
  ] as const)('%s, is granted once and consumed once', async (_, kind) => {
    const { discord, database, start } = await open()
    const { shop } = discord
    const first = await start()
    await discord.waitForBot(timeoutMs)
    const sku = shop.add('consumable')
    await discord.slash('credits', { action: 'sku', sku, amount: 70 }).waitForReply()
    discord.faults.add({ kind, times: 1, match: { method: 'POST', path: /\/consume$/ } })
    const buyer = snowflake()
    await discord.slash('queue', {}, { userId: buyer }).waitForReply()
    const bought = shop.buy(sku, buyer)
    await expect.poll(() => discord.faults.hits.length, { timeout: timeoutMs }).toBe(1)
    await first.kill()
    expect(shop.consumed).toEqual(kind === 'hang' ? [] : [bought.id])
    await start()
    const waiting = sql`select key from inbox where handled_at is null`
    await expect.poll(() => database.rows(waiting), { timeout: timeoutMs }).toEqual([])
    await expect.poll(() => shop.consumed, { timeout: timeoutMs }).toEqual([bought.id])
    expect(await database.rows(sql`select amount, key from ledger`)).toEqual([
      { amount: 70, key: `order:discord:${bought.id}` },
    ])
    expect(await database.rows(sql`select state, announced from orders join payments on order_id = id`)).toEqual([
      { state: 'paid', announced: 'paid' },
    ])
    expect(discord.botMessages(discord.dmChannel(buyer))).toHaveLength(1)
    expect(await violations(database)).toEqual([])
    expect(discord.violations).toEqual([])
  })
})
