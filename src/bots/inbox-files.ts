/**
 * Files of acts, for surfaces that receive the bytes themselves. They are rows, so any process can handle the act; the inbox
 * deletes them with the act's words.
 */
import { sql } from 'drizzle-orm'
import { AppError } from '../core/errors.ts'
import type { Attachment } from '../core/ports/chat.ts'
import { columnsOf, readRows } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { inboxFiles } from '../db/schema/chats.ts'
import { tooBig } from './downloads.ts'

export interface StoredFile {
  name: string
  bytes: number
}

/** Call this before storing the act. A second call changes nothing, and files of a handled act are not stored again. */
export async function storeFiles(database: Database, key: string, files: readonly { data: Buffer }[]): Promise<void> {
  // one statement for each file: a statement with all of them would hold them in memory several times
  for (const [position, { data }] of files.entries()) {
    // the lock waits for a process that is ending the act and deletes its files
    await database.rows(sql`
      with act as (select handled_at from inbox where key = ${key} for share)
      insert into inbox_files (act, position, data)
      select ${key}, ${position}::int, ${data}::bytea
      where not exists (select from act where handled_at is not null)
      on conflict do nothing`)
  }
}

/** The files of an act that is being handled. */
export function attachmentsOf(database: Database, key: string, files: readonly StoredFile[]): Attachment[] {
  return files.map(({ name, bytes }, position) => ({
    name,
    bytes,
    load: async (limitBytes) => {
      if (bytes > limitBytes) throw tooBig(limitBytes)
      return load(database, key, position)
    },
  }))
}

const columns = columnsOf({ data: inboxFiles.data })

async function load(database: Database, key: string, position: number): Promise<Buffer> {
  const [row] = await readRows(
    database,
    columns,
    (list) => sql`select ${list} from inbox_files where act = ${key} and position = ${position}::int`,
  )
  if (!row) throw new AppError('image_unreachable', {}, { cause: new Error('the act was handled before') })
  // the embedded database returns a plain Uint8Array
  return Buffer.from(row.data)
}
