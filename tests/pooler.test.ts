/** The service behind PgBouncer in transaction mode, as processes and as a core whose connections are few. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { accountOf } from '../src/core/accounts/accounts.ts'
import { grant } from '../src/core/billing/ledger.ts'
import { type Service, startService } from './chaos/service.ts'
import { openTestDatabase, type TestDatabase } from './helpers/backends.ts'
import { openTestCore } from './helpers/core.ts'
import { violations } from './helpers/invariants.ts'
import { lacksPgBouncer, type PgBouncer, startPgBouncer } from './helpers/pgbouncer.ts'
import { freePort } from './helpers/ports.ts'
import { noRedis, type OwnRedis, startRedis } from './helpers/redis.ts'

describe.skipIf(lacksPgBouncer())('the service behind PgBouncer (skipped without: apt-get install pgbouncer)', () => {
  let pooler: PgBouncer
  let test: TestDatabase
  let dataDir: string
  let services: Service[]
  beforeAll(async () => {
    pooler = await startPgBouncer({ size: 2 })
  })
  afterAll(() => pooler?.stop())
  beforeEach(async () => {
    services = []
    dataDir = await mkdtemp(join(tmpdir(), 'fluxbot-pooler-'))
    test = await openTestDatabase('postgres')
  })
  afterEach(async () => {
    await Promise.all(services.map((service) => service.kill()))
    await test.drop()
    await rm(dataDir, { recursive: true, force: true, maxRetries: 3 })
  })

  const start = (settings: Readonly<Record<string, string>>) => {
    const service = startService({
      DATA_DIR: dataDir,
      DATABASE_URL: pooler.through(test.url as string),
      SECRET_KEY: 'a secret for tests, 32 characters',
      API_KEY: 'a-key-for-this-test',
      ...settings,
    })
    services.push(service)
    return service
  }

  async function draw(port: string): Promise<void> {
    const answers = await Promise.all(
      ['a fox', 'an owl', 'a cat'].map((prompt) =>
        fetch(`http://127.0.0.1:${port}/v1/images/generations`, {
          method: 'POST',
          headers: { authorization: 'Bearer a-key-for-this-test', 'content-type': 'application/json' },
          body: JSON.stringify({ prompt, model: 'sketch' }),
        }),
      ),
    )
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    await expect.poll(() => violations(test.database)).toEqual([])
  }

  it('draws in one process what another accepted, with LISTEN and the queue by the direct address', async () => {
    const url = test.url as string
    const port = String(await freePort())
    const settings = { DATABASE_DIRECT_URL: url, DATABASE_POOL: '3' }
    const http = start({ ...settings, ROLES: 'http', PORT: port })
    const worker = start({ ...settings, ROLES: 'worker,bots' })
    await Promise.all([http.ready, worker.ready])
    await draw(port)
    expect(http.output()).not.toContain('LISTEN')
    const client = new pg.Client({ connectionString: url, application_name: 'test' })
    await client.connect()
    const { rows } = await client.query(`select application_name as name, count(*)::int as n from pg_stat_activity
      where datname = current_database() and application_name <> 'test' group by 1`)
    await client.end()
    const connections = Object.fromEntries(rows.map(({ name, n }) => [name, n]))
    // of the pooler, for both processes, and of this test
    expect(connections.fluxbot).toBeLessThanOrEqual(2 + 10)
    expect(connections['fluxbot-listen']).toBeGreaterThanOrEqual(2)
  })

  it.skipIf(noRedis)('finds changes by looking without a direct address, if the queue is on Redis', async () => {
    const redis: OwnRedis = await startRedis()
    try {
      const port = String(await freePort())
      const service = start({ REDIS_URL: redis.url, PORT: port })
      await service.ready
      await draw(port)
      expect(service.output()).toContain(
        'LISTEN does not work: what other processes do is noticed up to 10 seconds later',
      )
    } finally {
      await Promise.all(services.map((service) => service.kill()))
      await redis.stop()
    }
  })

  it('does not start without a direct address if the queue is on Postgres', async () => {
    const service = start({ PORT: '0' })
    await expect(service.ready).rejects.toThrow('ended with 1')
    expect(service.log()).toMatch(
      /DATABASE_URL is the address of a pooler.* set DATABASE_DIRECT_URL .*, or set REDIS_URL/,
    )
  })

  it('accepts exactly what the credits pay for, of many requests at once over two connections', async () => {
    const limits = { welcome: 0, inFlight: 1_000, perMinute: 1_000_000 }
    const own = await openTestCore('postgres', { way: { pooler, maxConnections: 2 }, limits })
    try {
      const { core } = own
      await own.work()
      const userId = await accountOf(core, { id: 'test:ann', name: 'ann', handle: 'ann' })
      await grant(core, { userId, amount: 7, source: 'admin', key: 'seven' })
      await Promise.all(Array.from({ length: 60 }, () => own.say('a cat')))
      const states = () => core.database.rows(sql`select state, count(*)::int as n from generations group by state`)
      await expect.poll(states).toEqual([{ state: 'delivered', n: 7 }])
      await expect.poll(() => violations(core.database)).toEqual([])
    } finally {
      await own.close()
    }
  })
})
