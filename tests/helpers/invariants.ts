/** Checks the invariants of money, requests and pictures in the database and the store while no work is running. */
import { sql } from 'drizzle-orm'
import type { ObjectStore } from '../../src/core/ports/storage.ts'
import type { Database } from '../../src/db/database.ts'

/** Returns one line for each violated invariant. `keys` lists all objects in the store. */
export async function violations(
  database: Database,
  store?: ObjectStore & { keys(): Promise<string[]> },
): Promise<string[]> {
  const found: string[] = []
  const check = async (rule: string, query: ReturnType<typeof sql>) => {
    const rows = await database.rows<Record<string, unknown>>(query)
    if (rows.length > 0) found.push(`${rule}: ${rows.length} rows, such as ${JSON.stringify(rows[0])}`)
  }
  await check(
    'I1 the sum of the entries is the balance, and nothing is negative',
    sql`select u.id, u.balance, u.held, coalesce(sum(l.amount), 0)::int as amount, coalesce(sum(l.held), 0)::int as entries_held,
        coalesce(sum(l.debt), 0)::int as entries_debt
      from users u left join ledger l on l.user_id = u.id group by u.id
      having coalesce(sum(l.amount), 0) <> u.balance or coalesce(sum(l.held), 0) <> u.held or u.balance < 0 or u.held < 0
        or coalesce(sum(l.debt), 0) <> u.debt or u.debt < 0`,
  )
  await check(
    'I2 every request has ended',
    sql`select id, state from generations where state in ('queued','running','stored')`,
  )
  await check(
    'I4 delivered means charged once, anything else nets nothing',
    sql`select g.id, g.state, g.price, -coalesce(sum(l.amount), 0)::int as charged, count(l.id)::int as entries
      from generations g left join ledger l on l.generation_id = g.id group by g.id
      having count(l.id) <> 2 or coalesce(sum(l.held), 0) <> 0
        or (g.state = 'delivered' and g.price > 0 and coalesce(sum(l.amount), 0) >= 0)
        or (g.state <> 'delivered' and coalesce(sum(l.amount), 0) <> 0)`,
  )
  await check(
    'I4 the parts of a quote are the price',
    sql`select id, price, quote from generations where quote is not null and price <> (
      select coalesce(sum((part->>'credits')::int), 0) from jsonb_array_elements(quote->'parts') part)`,
  )
  await check(
    'I8 at rest no credits are held',
    sql`select id, held, in_flight from users where held <> 0 or in_flight <> 0`,
  )
  await check(
    'I10 a delivered request has its pictures',
    sql`select g.id from generations g where state = 'delivered' and erased_at is null
      and not exists (select from images i where i.generation_id = g.id and i.role = 'output')`,
  )
  await check(
    'I10 an erased request has no texts and no pictures',
    sql`select g.id, g.request from generations g where erased_at is not null
      and (request->>'prompt' <> '' or request ? 'negative' or enhanced is not null
        or exists (select from images i where i.generation_id = g.id))`,
  )
  await check(
    'I11 what a member has drawn on a pool is what the requests cost, and within the cap',
    sql`select d.id, d.credits, d.cap, -coalesce(sum(l.amount), 0)::int as cost
      from pool_draws d left join generations g on g.draw_id = d.id left join ledger l on l.generation_id = g.id group by d.id
      having d.credits <> -coalesce(sum(l.amount), 0) or d.credits not between 0 and d.cap`,
  )
  await check(
    'I11 a pool pays by draws alone',
    sql`select g.id from generations g where (g.draw_id is not null) <> exists (
      select from chat_rules r where r.pool_id = g.payer_id)`,
  )
  if (store) {
    // an upload that is not complete has 0 bytes, and its object may not exist yet
    const rows = await database.rows<{ key: string; promised: boolean }>(sql`
      select key, true as promised from images union all select key, bytes > 0 from uploads`)
    const [rowKeys, objects] = [new Set(rows.map((row) => row.key)), new Set(await store.keys())]
    const without = [...objects].filter((key) => !rowKeys.has(key))
    const missing = rows.filter(({ key, promised }) => promised && !objects.has(key)).map(({ key }) => key)
    if (without.length > 0) found.push(`I7 objects without a row: ${without.length}, such as ${without[0]}`)
    if (missing.length > 0) found.push(`I7 rows without an object: ${missing.length}, such as ${missing[0]}`)
  }
  return found
}
