/** The service at rest: how to await it, and what then has to hold. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import type { Database } from '../../src/db/database.ts'
import { openDatabase } from '../../src/db/open.ts'
import { createDiskStore } from '../../src/storage/disk.ts'
import { violations } from '../helpers/invariants.ts'

export const settleMs = 150_000
export const apiKey = 'a-key-for-the-chaos-run'

export async function untilEnded(url: string): Promise<void> {
  const database: Database = await openDatabase({ url, dataDir: '', maxConnections: 1 })
  const until = Date.now() + settleMs
  for (;;) {
    const [row] = await database.rows<{ n: number }>(
      sql`select count(*)::int as n from generations where state in ('queued','running','stored')`,
    )
    if (row?.n === 0 || Date.now() > until) break
    await sleep(200)
  }
  await database.close()
}

/** Asks the service, because the embedded database cannot be read while the service has it open. */
export async function unfinished({ PORT }: Readonly<Record<string, string>>): Promise<number> {
  const headers = { authorization: `Bearer ${apiKey}` }
  const answer = await fetch(`http://127.0.0.1:${PORT}/metrics`, { headers })
  const counts = (await answer.text()).matchAll(/^fluxbot_generations_unfinished\{.*\} (\d+)$/gm)
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0)
}

/** Invariants that the database and the store violate. */
export async function brokenAtRest(database: Database, dataDir: string): Promise<string[]> {
  const folder = join(dataDir, 'images')
  const store = createDiskStore({ folder, secretKey: Buffer.alloc(32), publicUrl: 'http://localhost' })
  const keys = async () => (await files(folder)).filter((name) => !name.endsWith('.tmp'))
  return violations(database, { ...store, keys })
}

async function files(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
}
