/** The embedded database: PostgreSQL inside this process, its files under DATA_DIR/db. Safe against kill -9. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { PGlite } from '@electric-sql/pglite'
import { drizzle } from 'drizzle-orm/pglite'
import { migrate } from 'drizzle-orm/pglite/migrator'
import pg from 'pg'
import type { Database, Db } from './db.ts'
import { type FolderLock, lockFolder } from './lock.ts'
import { poolOver } from './pglite-pool.ts'
import { rowsOf } from './rows.ts'

const tidyEveryMs = 5 * 60_000

interface PgliteOptions {
  /** Absent: in memory, without files or lock. */
  dataDir?: string
  migrationsFolder: string
  /** A dumped data folder to start from instead of an empty one; memory only. */
  image?: Blob
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

async function start({ dataDir, migrationsFolder, image }: PgliteOptions): Promise<PGlite> {
  const folder = dataDir === undefined ? 'memory://' : join(dataDir, 'db')
  if (dataDir !== undefined) await mkdir(folder, { recursive: true })
  const pglite = await PGlite.create(folder, { loadDataDir: image })
  // Migrations create tables in the first schema of the path; later on BullMQ needs its own schema to be first.
  await pglite.exec('set search_path to public')
  await migrate(drizzle(pglite), { migrationsFolder })
  await pglite.exec('set search_path to bullmq, public')
  takeTurns(pglite)
  return pglite
}

/**
 * Statements run in this thread, and many that wait would run one after the other without a pause: between two of them
 * timers and sockets get their turn.
 */
function takeTurns(pglite: PGlite): void {
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
  // Nothing in PGlite does this by itself: without it dead rows and write-ahead files only ever grow.
  const timer = setInterval(() => tidy(pglite), tidyEveryMs)
  timer.unref()
  let closing: Promise<void> | undefined
  return {
    db,
    kind: 'pglite',
    rows: (query, on) => rowsOf((on ?? db).execute(query)),
    bullPool: () => pool,
    async listen(channel, onNotify) {
      // Not PGlite's own listen, which cannot stop listening to a name with capital letters. There is no UNLISTEN
      // either: the session is everybody's, and so is what it listens to.
      await pglite.exec(`listen ${pg.escapeIdentifier(channel)}`)
      const stop = pglite.onNotification((name, payload) => {
        if (name === channel) onNotify(payload)
      })
      return async () => stop()
    },
    notReady() {
      if (lock?.lost()) return 'Another process took over the data folder: restart this one.'
      return pglite.closed ? 'The embedded database is closed.' : undefined
    },
    ping: async () => void (await pglite.query('select 1')),
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

function tidy(pglite: PGlite): void {
  if (pglite.closed) return
  // Best effort: the next round comes anyway.
  pglite
    .exec('vacuum (analyze)')
    .then(() => pglite.exec('checkpoint'))
    .catch(() => {})
}
