/** Messages that show the result of a generation, recorded one by one, so that a crash between two repeats neither. */
import { and, eq, sql } from 'drizzle-orm'
import { sentMessages as table } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'
import type { Posted, SentMessages } from '../ports/chat.ts'
import type { Generation } from './row.ts'

/** Those that were sent before, and where the next ones are recorded. A single picture needs neither. */
export async function sentMessages(
  core: Core,
  { id, surface, request }: Pick<Generation, 'id' | 'surface' | 'request'>,
): Promise<SentMessages | undefined> {
  if (request.count === 1) return undefined
  const rows = await core.database.db
    .select({ posted: table.posted, part: table.part, fileIds: table.fileIds })
    .from(table)
    .where(and(eq(table.generationId, id), eq(table.surface, surface)))
    .orderBy(table.part)
  return {
    earlier: rows.map((row) => ({ ...row, posted: row.posted as Posted })),
    add: async ({ posted, part, fileIds }) => {
      await core.database.rows(sql`
        insert into sent_messages (generation_id, surface, posted, part, file_ids)
        values (${id}::uuid, ${surface}, ${posted}, ${part}::int, ${JSON.stringify(fileIds)}::jsonb)
        on conflict (generation_id, surface, part) do nothing`)
    },
  }
}
