/**
 * An empty embedded database with all tables, which the build makes. The first start copies it, which takes less than a second;
 * creating one takes five seconds and three times the memory.
 */
import { createHash } from 'node:crypto'
import { chmod, cp, mkdir, readdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const preparedFolder = join(root, 'dist/prepared-database')
const filesIn = (folder: string) => join(folder, 'db')
const stateIn = (folder: string) => join(folder, 'state')

/** Digest of everything that an empty database depends on. */
export async function stateOfTables(): Promise<string> {
  const hash = createHash('sha256')
  for (const name of (await readdir(join(root, 'drizzle'))).sort()) {
    if (name.endsWith('.sql')) hash.update(await readFile(join(root, 'drizzle', name)))
  }
  // migrations run by the times in it, which change when one is generated again
  hash.update(await readFile(join(root, 'drizzle/meta/_journal.json')))
  for (const name of ['bullmq', '@electric-sql/pglite']) {
    const { version } = JSON.parse(await readFile(join(root, 'node_modules', name, 'package.json'), 'utf8'))
    hash.update(version)
  }
  return hash.digest('hex').slice(0, 16)
}

/** `make` creates the database below the folder that it gets. Nothing is done while the prepared one is up to date. */
export async function prepareDatabase(make: (dataDir: string) => Promise<void>): Promise<void> {
  const state = await stateOfTables()
  if (await isPrepared(state)) return
  const fresh = `${preparedFolder}.${process.pid}`
  await rm(fresh, { recursive: true, force: true })
  await mkdir(fresh, { recursive: true })
  await make(fresh)
  await makeReadable(filesIn(fresh))
  await writeFile(stateIn(fresh), state)
  await rm(preparedFolder, { recursive: true, force: true })
  await rename(fresh, preparedFolder).catch(async (error: unknown) => {
    await rm(fresh, { recursive: true, force: true })
    // another build was faster
    if (!(await isPrepared(state))) throw error
  })
}

/** Another user may run the service than the one who built it. The files are empty tables, and no secret. */
async function makeReadable(folder: string): Promise<void> {
  await chmod(folder, 0o755)
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    await chmod(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644)
  }
}

/** Fills an empty folder. Leaves it empty if the build has not prepared a database for this code. */
export async function copyPrepared(folder: string): Promise<void> {
  // unreadable where packages are installed elsewhere: the database is created then
  const state = await stateOfTables().catch(() => undefined)
  if (state === undefined || !(await isPrepared(state))) return
  // renamed when complete: a start that was killed leaves nothing that the next one would open
  const copy = join(dirname(folder), 'db.new')
  await rm(copy, { recursive: true, force: true })
  await cp(filesIn(preparedFolder), copy, { recursive: true })
  await rmdir(folder)
  await rename(copy, folder)
}

async function isPrepared(state: string): Promise<boolean> {
  return (await readFile(stateIn(preparedFolder), 'utf8').catch(() => '')) === state
}
