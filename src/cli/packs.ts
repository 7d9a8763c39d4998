/** Packs that are stored in the database, which all processes share. */
import { sql } from 'drizzle-orm'
import { columnsOf, readRows } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { workflowPacks } from '../db/schema/operation.ts'
import { parsePack } from '../models/packs/pack.ts'

export async function listPacks(database: Database): Promise<string> {
  const columns = columnsOf({ id: workflowPacks.id })
  const rows = await readRows(database, columns, (list) => sql`select ${list} from workflow_packs order by id`)
  const none = 'No packs are stored in the database. Packs in DATA_DIR/models and DATA_DIR/workflows work as well.'
  return rows.map(({ id }) => id).join('\n') || none
}

/** Replaces an earlier pack with the same id. Throws PackError. */
export async function addPack(database: Database, body: string): Promise<string> {
  const { id } = parsePack(body)
  await database.rows(sql`
    insert into workflow_packs (id, body) values (${id}, ${body}) on conflict (id) do update set body = excluded.body`)
  return `Stored as model ${id}.`
}

export async function removePack(database: Database, id: string): Promise<string> {
  const removed = await database.rows(sql`delete from workflow_packs where id = ${id} returning id`)
  return removed.length > 0 ? 'Removed.' : `There is no pack "${id}" in the database.`
}
