/** A Postgres server, shared by as many processes as there are. */
import { setTimeout as sleep } from 'node:timers/promises'
import { PgDialect } from 'drizzle-orm/pg-core'
import { drizzle } from 'drizzle-orm/postgres-js'
import { migrate } from 'drizzle-orm/postgres-js/migrator'
import pg from 'pg'
import postgres, { type Sql } from 'postgres'
import type { Database, Db } from './db.ts'
import { rowsOf } from './rows.ts'

/** Any number that nobody else uses: 'flux' in ASCII. */
const migrationLock = 0x666c7578
const patienceMs = 30_000
const pingEveryMs = 5_000

interface PostgresOptions {
  url: string
  migrationsFolder: string
  maxConnections?: number
}

const common = {
  // notices ('relation already exists, skipping') are for people at a prompt
  onnotice: () => undefined,
  connect_timeout: 10,
}

export async function openPostgres({ url, migrationsFolder, maxConnections }: PostgresOptions): Promise<Database> {
  await migrateAlone(url, migrationsFolder)
  const client = postgres(url, {
    ...common,
    max: maxConnections ?? 10,
    connection: { application_name: 'fluxbot', statement_timeout: 30_000 },
  })
  const bull = new pg.Pool({
    connectionString: url,
    keepAlive: true,
    connectionTimeoutMillis: 10_000,
    max: 6,
    application_name: 'fluxbot-queue',
    options: '-c search_path=bullmq,public',
  })
  return database(client, bull)
}

function database(client: Sql, bull: pg.Pool): Database {
  const db: Db = drizzle(client) as unknown as Db
  const dialect = new PgDialect()
  let trouble: string | undefined
  // an idle connection that breaks is replaced by the pool; without a listener the event would end the process
  bull.on('error', () => {})

  const ping = async () => void (await client`select 1`)
  const timer = setInterval(() => {
    ping().then(
      () => {
        trouble = undefined
      },
      (error: unknown) => {
        trouble = sentence(error)
      },
    )
  }, pingEveryMs)
  timer.unref()

  let closing: Promise<void> | undefined
  return {
    db,
    kind: 'postgres',
    rows: (query, on) => {
      if (on) return rowsOf(on.execute(query))
      // prepared once for each connection: one round trip instead of drizzle's two
      const { sql, params } = dialect.sqlToQuery(query)
      return rowsOf(client.unsafe(sql, params as string[], { prepare: true }))
    },
    bullPool: () => bull,
    listen: async (channel, onNotify) => {
      const { unlisten } = await client.listen(channel, onNotify)
      return unlisten
    },
    notReady: () => trouble,
    ping,
    close() {
      closing ??= (async () => {
        clearInterval(timer)
        await Promise.all([client.end({ timeout: 5 }), bull.end()])
      })()
      return closing
    },
  }
}

/** drizzle's migrator takes no lock of its own, and several processes may start at once. */
async function migrateAlone(url: string, migrationsFolder: string): Promise<void> {
  const client = await connect(url)
  try {
    await client`select pg_advisory_lock(${migrationLock})`
    await migrate(drizzle(client), { migrationsFolder })
  } finally {
    // ends the session and with it the lock
    await client.end({ timeout: 1 }).catch(() => {})
  }
}

/** Waits for a server that is still starting, as it is when both come up together. */
async function connect(url: string): Promise<Sql> {
  const deadline = Date.now() + patienceMs
  for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 2_000)) {
    const client = postgres(url, { ...common, max: 1, connect_timeout: 5 })
    try {
      await client`select 1`
      return client
    } catch (error) {
      await client.end({ timeout: 0 }).catch(() => {})
      if (!mayPass(error) || Date.now() + waitMs > deadline) throw new Error(sentence(error, client))
      await sleep(waitMs)
    }
  }
}

/** Wrong password, no such database and the like (classes 28, 3D, 42) do not get better by waiting. */
function mayPass(error: unknown): boolean {
  const code = String((error as { code?: unknown }).code ?? '')
  return !/^(28|3D|42)...$/.test(code) && code !== 'ERR_INVALID_URL'
}

/** Never the address itself: it holds the password. */
function sentence(error: unknown, client?: Sql): string {
  const { code, message } = error as { code?: string; message?: string }
  const { host, port, database: name } = client?.options ?? {}
  const where = client ? ` at ${host}:${port}, database ${name}` : ''
  return `Postgres${where} cannot be used: ${message || code || 'no answer'}. Check DATABASE_URL and that it runs.`
}
