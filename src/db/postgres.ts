/** The database on a Postgres server, which any number of processes share, with or without a pooler in between. */
import { randomInt } from 'node:crypto'
import { PgDialect } from 'drizzle-orm/pg-core'
import { drizzle } from 'drizzle-orm/postgres-js'
import pg from 'pg'
import postgres, { type Sql } from 'postgres'
import { driverOptions, type Server } from './address.ts'
import { type Database, type Db, pingStatement } from './database.ts'
import { migrateLocked, migrationLock } from './migrate.ts'
import { type Reached, reach, reasonOf } from './reach.ts'
import { rowsOf } from './rows.ts'

const pingEveryMs = 5_000
const statementLimit = '30s'
/** Most connections for the commands of the queue; each of its workers has one more. */
const mostForQueue = 6

interface PostgresOptions {
  url: string
  /** Where sessions are kept, if a pooler answers at `url` that shares them. */
  directUrl?: string
  migrationsFolder: string
  maxConnections?: number
  report?(line: string): void
}

export async function openPostgres(options: PostgresOptions): Promise<Database> {
  const { url, directUrl, report, maxConnections = 10 } = options
  const main = await reach({ setting: 'DATABASE_URL', url, report })
  let direct: Reached | undefined
  try {
    if (directUrl) direct = await reachDirect(directUrl, main, report)
    await migrate(direct ?? main, options)
    if (main.session !== 'own') await preparePooled(main, report)
  } finally {
    await Promise.all([main, direct].map((each) => each?.client.end({ timeout: 1 }).catch(() => {})))
  }
  const keeper = direct ?? (main.session === 'shared' ? undefined : main)
  if (!keeper) report?.(withoutDirect)
  return database({
    client: openPool(main, maxConnections),
    listener: keeper && openListener(keeper),
    bull: keeper && openQueuePool(keeper, Math.min(Math.max(maxConnections, 2), mostForQueue)),
  })
}

const cure = 'set DATABASE_DIRECT_URL to the address of Postgres itself'
const withoutDirect =
  'DATABASE_URL is the address of a pooler in transaction mode, through which LISTEN does not work: what other processes ' +
  `do is noticed up to 10 seconds later. To notice it at once, ${cure}.`

/** Rejects if it keeps no sessions either, or has other tables. */
async function reachDirect(url: string, main: Reached, report?: (line: string) => void): Promise<Reached> {
  const direct = await reach({ setting: 'DATABASE_DIRECT_URL', url, report })
  try {
    if (direct.session === 'shared')
      throw new Error(
        'DATABASE_DIRECT_URL is the address of a pooler in transaction mode: set it to the address of Postgres itself.',
      )
    if (!(await haveSameLocks(direct.client, main.client)))
      throw new Error('DATABASE_DIRECT_URL names another database than DATABASE_URL: make both name the same one.')
    return direct
  } catch (error) {
    await direct.client.end({ timeout: 1 }).catch(() => {})
    throw error
  }
}

/** Locks are those of one database on one server, whichever address leads there. */
function haveSameLocks(one: Sql, other: Sql): Promise<boolean> {
  const key = randomInt(2 ** 47)
  return one.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(${key})`
    const [row] = await other`select pg_try_advisory_xact_lock(${key}) as free`
    return row?.free === false
  })
}

async function migrate({ client, setting, address }: Reached, { migrationsFolder }: PostgresOptions): Promise<void> {
  await migrateLocked(client, migrationsFolder, `set ${setting} to another database.`).catch((error: unknown) => {
    // a sentence of our own
    if (!(error instanceof postgres.PostgresError)) throw error
    throw new Error(
      `Cannot bring the tables of database ${address.database} up to date: ${reasonOf(error)}. ` +
        `Check ${setting} and the rights of its user, or restore a backup.`,
    )
  })
}

/** What cannot be set when a connection opens becomes a default of the role, in this database alone. */
async function preparePooled({ client, address }: Reached, report?: (line: string) => void): Promise<void> {
  if (/(^|\s)-/.test(address.options))
    throw new Error(
      'DATABASE_URL has options, but a pooler answers, which does not pass them on: remove them, and set them for the role ' +
        'with "alter role … set …".',
    )
  await client
    .begin(async (tx) => {
      await tx`select pg_advisory_xact_lock(${migrationLock})`
      const [row] = await tx.unsafe(limitQuery)
      if (row?.set) return
      await tx.unsafe(setLimit)
      report?.(`Postgres now ends statements of this role in database ${address.database} after ${statementLimit}.`)
    })
    .catch((error: unknown) =>
      report?.(
        `Statements have no time limit (${reasonOf(error)}). Set one for the role of DATABASE_URL: ` +
          `alter role … set statement_timeout = '${statementLimit}'`,
      ),
    )
}

/** Sessions that were opened before the default was set do not show it. */
const limitQuery = `select current_setting('statement_timeout') <> '0' or exists (
  select 1 from pg_db_role_setting join pg_database d on d.oid = setdatabase, unnest(setconfig) as each
  where datname = current_database() and setrole = current_user::regrole and starts_with(each, 'statement_timeout=')
) as set`

const setLimit = `do $$ begin
  execute format('alter role %I in database %I set statement_timeout = %L', current_user, current_database(),
    '${statementLimit}');
end $$`

function openPool(server: Reached, max: number): Sql {
  const { address, session } = server
  if (session !== 'own') {
    const { postgres: options } = driverOptions(server, { options: address.options })
    // a prepared statement stays in a session, where another client would find it, or not find its own
    return oneAtATime(postgres({ ...options, max, prepare: false }))
  }
  // the options of the address come later, and win
  const options = `-c statement_timeout=${statementLimit} ${address.options}`.trim()
  return postgres({ ...driverOptions(server, { options }).postgres, max })
}

/**
 * One statement at a time on each connection: after the answer to one, PgBouncer takes the session away, also when a part of the
 * next one has been sent, which then waits for ever. Transactions keep their session.
 */
function oneAtATime(client: Sql): Sql {
  const { unsafe } = client
  // postgres.js calls it to ask whether the connection may take one more; the statement that begins a transaction has its own
  const alone = { onexecute: () => false }
  client.unsafe = ((text, parameters = [], options) =>
    unsafe(text, parameters, { ...alone, ...options })) as typeof unsafe
  return client
}

/** Has a connection once something listens. */
function openListener(server: Server): Sql {
  const { options } = server.address
  return postgres({ ...driverOptions(server, { suffix: '-listen', options }).postgres, max: 1, prepare: false })
}

function openQueuePool(server: Server, max: number): pg.Pool {
  const { options } = server.address
  const pool = new pg.Pool({
    ...driverOptions(server, { suffix: '-queue', options }).pg,
    max,
    // not an option of the connection, which a pooler that keeps sessions would refuse
    onConnect: async (client) => void (await client.query('set search_path to bullmq, public')),
  })
  // the pool replaces a broken idle connection; without a listener the event would end the process
  pool.on('error', () => {})
  return pool
}

interface Clients {
  client: Sql
  /** The others are absent where no session is kept. */
  listener?: Sql
  bull?: pg.Pool
}

function database({ client, listener, bull }: Clients): Database {
  const db: Db = drizzle(client) as unknown as Db
  const dialect = new PgDialect()
  let problem: string | undefined
  const timer = setInterval(() => {
    client.unsafe(`select current_setting('transaction_read_only') as read_only`).then(
      ([row]) => {
        problem =
          row?.read_only === 'on' ? 'Postgres is read-only. Check that DATABASE_URL names the primary.' : undefined
      },
      (error: unknown) => {
        problem = `Cannot use Postgres: ${reasonOf(error)}. Check DATABASE_URL and that Postgres is running.`
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
    bullPool() {
      if (bull) return bull
      throw new Error(
        `DATABASE_URL is the address of a pooler in transaction mode, through which the queue cannot work: ${cure}, or set REDIS_URL.`,
      )
    },
    listen: async (channel, onNotify) => {
      if (!listener) return async () => {}
      const { unlisten } = await listener.listen(channel, onNotify)
      return unlisten
    },
    notReady: () => problem,
    ping: async () => void (await client.unsafe(pingStatement)),
    close() {
      closing ??= (async () => {
        clearInterval(timer)
        await Promise.all([client.end({ timeout: 5 }), listener?.end({ timeout: 5 }), bull?.end()])
      })()
      return closing
    },
  }
}
