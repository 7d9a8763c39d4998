/** The embedded database: Postgres inside this process, with files in DATA_DIR/db. Survives kill -9. */
import { chmod, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { PGlite } from '@electric-sql/pglite'
import { drizzle } from 'drizzle-orm/pglite'
import { migrate } from 'drizzle-orm/pglite/migrator'
import pg from 'pg'
import { type Database, type Db, pingStatement } from './database.ts'
import { type FolderLock, lockFolder } from './lock.ts'
import { refuseNewer } from './migrate.ts'
import { poolOver } from './pglite-pool.ts'
import { copyPrepared } from './prepared.ts'
import { rowsOf } from './rows.ts'

const maintainEveryMs = 5 * 60_000

interface PgliteOptions {
  /** Absent: in memory, without files or a lock. */
  dataDir?: string
  migrationsFolder: string
  /** A dumped data folder to start from. In memory only. */
  image?: Blob
  report?(line: string): void
}

export async function openPglite(options: PgliteOptions): Promise<Database> {
  const lock = options.dataDir === undefined ? undefined : await lockFolder(options.dataDir)
  try {
    const pglite = await start(options)
    return database(pglite, lock)
  } catch (error) {
    await lock?.release()
    throw error
  }
}

async function start({ dataDir, migrationsFolder, image, report }: PgliteOptions): Promise<PGlite> {
  const folder = dataDir === undefined ? 'memory://' : join(dataDir, 'db')
  if (dataDir !== undefined) {
    await mkdir(folder, { recursive: true })
    const isNew = (await readdir(folder)).length === 0
    report?.(`${isNew ? 'Creating' : 'Opening'} the embedded database in ${folder} …`)
    if (isNew) await copyPrepared(folder)
    // the files in it may be read and written by every user of the machine. Some mounted file systems have no modes
    await chmod(folder, 0o700).catch(() => undefined)
  }
  const pglite = await PGlite.create(folder, { loadDataDir: image }).catch((error: unknown) => {
    throw new Error(`The embedded database in ${folder} cannot be opened: ${reasonOf(error)}. ${damaged}`)
  })
  try {
    // migrations create tables in the first schema of the path; afterwards BullMQ needs its own schema first
    await pglite.exec('set search_path to public')
    const db = drizzle(pglite)
    const read = async (query: string) => (await pglite.query<Record<string, unknown>>(query)).rows
    await refuseNewer(read, migrationsFolder, 'set DATA_DIR to another folder.')
    await migrate(db, { migrationsFolder }).catch((error: unknown) => {
      throw new Error(`The embedded database in ${folder} cannot be brought up to date: ${reasonOf(error)}. ${damaged}`)
    })
    await pglite.exec('set search_path to bullmq, public')
  } catch (error) {
    await pglite.close().catch(() => undefined)
    throw error
  }
  yieldBetweenStatements(pglite)
  return pglite
}

const damaged = 'Restore a backup of DATA_DIR, or set DATA_DIR to another folder to start with an empty database.'

/** drizzle puts the statement into its message and the reason into its cause. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error
  return (cause instanceof Error ? cause.message : message).replace(/\.$/, '')
}

/**
 * Statements run in this thread. Between two waiting statements this gives timers and sockets a turn, which otherwise
 * would wait for all of them.
 */
function yieldBetweenStatements(pglite: PGlite): void {
  let waiting = 0
  let last: Promise<unknown> = Promise.resolve()
  const inTurn =
    <Arguments extends unknown[], Result>(run: (...args: Arguments) => Promise<Result>) =>
    (...args: Arguments): Promise<Result> => {
      const before = waiting++ > 0 ? last.then(() => nextTurn()) : Promise.resolve()
      const result = before.then(() => run(...args)).finally(() => waiting--)
      last = result.catch(() => undefined)
      return result
    }
  pglite.query = inTurn(pglite.query.bind(pglite)) as typeof pglite.query
  pglite.exec = inTurn(pglite.exec.bind(pglite))
}

function database(pglite: PGlite, lock: FolderLock | undefined): Database {
  const db: Db = drizzle(pglite) as unknown as Db
  const pool = poolOver(pglite)
  // PGlite has no autovacuum and no checkpointer: without this, dead rows and write-ahead files only grow
  const timer = setInterval(() => maintain(pglite), maintainEveryMs)
  timer.unref()
  let closing: Promise<void> | undefined
  return {
    db,
    kind: 'pglite',
    rows: (query, on) => rowsOf((on ?? db).execute(query)),
    bullPool: () => pool,
    async listen(channel, onNotify) {
      // PGlite's own listen cannot stop listening to a name with capital letters. There is no UNLISTEN either, because
      // all listeners share one session.
      await pglite.exec(`listen ${pg.escapeIdentifier(channel)}`)
      const stop = pglite.onNotification((name, payload) => {
        if (name === channel) onNotify(payload)
      })
      return async () => stop()
    },
    notReady() {
      if (lock?.lost()) return 'Another process took over the data folder: restart this process.'
      return pglite.closed ? 'The embedded database is closed.' : undefined
    },
    ping: async () => void (await pglite.query(pingStatement)),
    close() {
      closing ??= (async () => {
        clearInterval(timer)
        await pglite.close()
        await lock?.release()
      })()
      return closing
    },
  }
}

function maintain(pglite: PGlite): void {
  if (pglite.closed) return
  // a failure does not matter: the next round follows
  pglite
    .exec('vacuum (analyze)')
    .then(() => pglite.exec('checkpoint'))
    .catch(() => {})
}
