/** The database on a Postgres server, which any number of processes share. */
import { setTimeout as sleep } from 'node:timers/promises'
import { PgDialect } from 'drizzle-orm/pg-core'
import { drizzle } from 'drizzle-orm/postgres-js'
import { migrate } from 'drizzle-orm/postgres-js/migrator'
import pg from 'pg'
import postgres, { type Sql } from 'postgres'
import type { Database, Db } from './database.ts'
import { rowsOf } from './rows.ts'

/** An arbitrary advisory lock id: 'flux' in ASCII. */
const migrationLock = 0x666c7578
const connectWithinMs = 30_000
const pingEveryMs = 5_000

interface PostgresOptions {
  url: string
  migrationsFolder: string
  maxConnections?: number
}

const common = {
  // notices such as 'relation already exists, skipping' would be printed
  onnotice: () => undefined,
  connect_timeout: 10,
}

export async function openPostgres({ url, migrationsFolder, maxConnections }: PostgresOptions): Promise<Database> {
  await migrateLocked(url, migrationsFolder)
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
  let problem: string | undefined
  // the pool replaces a broken idle connection; without a listener the event would end the process
  bull.on('error', () => {})

  const ping = async () => void (await client`select 1`)
  const timer = setInterval(() => {
    ping().then(
      () => {
        problem = undefined
      },
      (error: unknown) => {
        problem = messageFor(error)
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
      // prepared once per connection, which takes one round trip instead of drizzle's two
      const { sql, params } = dialect.sqlToQuery(query)
      return rowsOf(client.unsafe(sql, params as string[], { prepare: true }))
    },
    bullPool: () => bull,
    listen: async (channel, onNotify) => {
      const { unlisten } = await client.listen(channel, onNotify)
      return unlisten
    },
    notReady: () => problem,
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

/** Migrates under an advisory lock, because several processes may start at once and drizzle takes no lock. */
async function migrateLocked(url: string, migrationsFolder: string): Promise<void> {
  const client = await connect(url)
  try {
    await client`select pg_advisory_lock(${migrationLock})`
    await migrate(drizzle(client), { migrationsFolder })
  } finally {
    // the end of the session releases the lock
    await client.end({ timeout: 1 }).catch(() => {})
  }
}

/** Retries while the server may still be starting. */
async function connect(url: string): Promise<Sql> {
  const deadline = Date.now() + connectWithinMs
  for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 2_000)) {
    const client = postgres(url, { ...common, max: 1, connect_timeout: 5 })
    try {
      await client`select 1`
      return client
    } catch (error) {
      await client.end({ timeout: 0 }).catch(() => {})
      if (!isTemporary(error) || Date.now() + waitMs > deadline) throw new Error(messageFor(error, client))
      await sleep(waitMs)
    }
  }
}

/** Waiting does not help against a wrong password, a missing database or missing rights (classes 28, 3D, 42). */
function isTemporary(error: unknown): boolean {
  const code = String((error as { code?: unknown }).code ?? '')
  return !/^(28|3D|42)...$/.test(code) && code !== 'ERR_INVALID_URL'
}

/** Leaves out the address itself, which contains the password. */
function messageFor(error: unknown, client?: Sql): string {
  const { code, message } = error as { code?: string; message?: string }
  const { host, port, database: name } = client?.options ?? {}
  const where = client ? ` at ${host}:${port}, database ${name}` : ''
  return `Cannot use Postgres${where}: ${message || code || 'no answer'}. Check DATABASE_URL and that Postgres is running.`
}
