/**
 * `npx tsx bench/updates.ts [jobs] [ms]`: row updates of each table in a whole request, and how many of them touched no index (HOT). The image
 * service answers with a ticket, and takes two seconds unless told otherwise, so that leases are renewed. It needs `TEST_DATABASE_URL`.
 * `BEFORE`: statements that run first, with semicolons between them, to compare other indexes.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import type { ImageProvider } from '../src/core/ports/providers.ts'
import { createChat, openTestCore, pngOf } from '../tests/helpers/core.ts'
import { printTable } from './parts/figures.ts'

const [jobs = 300, takesMs = 2_000] = process.argv.slice(2).map(Number)
const people = 60
const picture = await pngOf(64, 64)

/** As fal does it: the ticket is saved, and the work is asked about. */
const slow: ImageProvider = {
  name: 'sketch',
  repeatable: false,
  start: async ({ id }) => ({ state: 'pending', ticket: { id }, waitMs: takesMs }),
  check: async () => ({ state: 'done', images: [picture] }),
}

const { core, say, work, close } = await openTestCore('postgres', {
  providers: [slow],
  chat: createChat({ name: 'test' }),
  limits: { deadlineMs: 600_000, inFlight: 1_000, perMinute: 10_000 },
})
try {
  for (const setting of process.env.BEFORE?.split(';') ?? []) await core.database.rows(sql.raw(setting))
  await core.database.rows(sql`select pg_stat_reset()`)
  await work()
  for (let n = 0; n < jobs; n++) {
    await say('a cat', { who: `p${n % people}` })
    await sleep(20)
  }
  for (;;) {
    const [left] = await core.database.rows<{ n: number }>(sql`
      select count(*)::int as n from generations where ended_at is null`)
    if (left?.n === 0) break
    await sleep(200)
  }
  // statistics arrive late
  await sleep(2_000)
  const rows = await core.database.rows<{ name: string; updates: number; hot: number }>(sql`
    select relname as name, n_tup_upd as updates, n_tup_hot_upd as hot from pg_stat_user_tables
    where schemaname = 'public' and n_tup_upd > 0 order by n_tup_upd desc`)
  printTable([
    ['table', 'updates per job', 'HOT'],
    ...rows.map(({ name, updates, hot }) => [
      name,
      (updates / jobs).toFixed(1),
      `${Math.round((100 * hot) / updates)} %`,
    ]),
  ])
} finally {
  await close()
}
process.exit()
