/** The database on a Postgres server, which any number of processes share. */
import { setTimeout as sleep } from 'node:timers/promises'
import { PgDialect } from 'drizzle-orm/pg-core'
import { drizzle } from 'drizzle-orm/postgres-js'
import { migrate } from 'drizzle-orm/postgres-js/migrator'
import pg from 'pg'
import postgres, { type Sql } from 'postgres'
import { type Database, type Db, pingStatement } from './database.ts'
import { refuseNewer } from './migrate.ts'
import { rowsOf } from './rows.ts'

/** An arbitrary advisory lock id: 'flux' in ASCII. */
const migrationLock = 0x666c7578
const connectWithinMs = 15_000
const pingEveryMs = 5_000

interface PostgresOptions {
  url: string
  migrationsFolder: string
  maxConnections?: number
  report?(line: string): void
}

const common = {
  // notices such as 'relation already exists, skipping' would be printed
  onnotice: () => undefined,
  connect_timeout: 10,
}

export async function openPostgres(options: PostgresOptions): Promise<Database> {
  const { url, maxConnections } = options
  await migrateLocked(options)
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

  const timer = setInterval(() => {
    client<{ read_only: string }[]>`select current_setting('transaction_read_only') as read_only`.then(
      ([row]) => {
        problem =
          row?.read_only === 'on' ? 'Postgres is read-only. Check that DATABASE_URL names the primary.' : undefined
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
    ping: async () => void (await client.unsafe(pingStatement)),
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
async function migrateLocked({ url, migrationsFolder, report }: PostgresOptions): Promise<void> {
  const client = await connect(url, report)
  try {
    await client`select pg_advisory_lock(${migrationLock})`
    const db = drizzle(client)
    await refuseNewer(db as unknown as Db, migrationsFolder, 'set DATABASE_URL to another database.')
    await migrate(db, { migrationsFolder }).catch((error: unknown) => {
      const { message, cause } = error as Error
      const reason = cause instanceof Error ? cause.message : message
      throw new Error(
        `Cannot bring the tables of database ${client.options.database} up to date: ${reason}. ` +
          'Check DATABASE_URL and the rights of its user, or restore a backup.',
      )
    })
  } finally {
    // the end of the session releases the lock
    await client.end({ timeout: 1 }).catch(() => {})
  }
}

/** Retries while the server may still be starting. */
async function connect(url: string, report?: (line: string) => void): Promise<Sql> {
  const deadline = Date.now() + connectWithinMs
  for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 2_000)) {
    const client = postgres(url, { ...common, max: 1, connect_timeout: 5 })
    try {
      await client`select 1`
      return client
    } catch (error) {
      await client.end({ timeout: 0 }).catch(() => {})
      if (!isTemporary(error) || Date.now() + waitMs > deadline) throw new Error(messageFor(error, client))
      if (waitMs === 100) report?.(`Waiting for Postgres: ${messageFor(error, client)}`)
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
