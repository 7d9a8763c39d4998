/**
 * Requests that their owner takes out of the history: their words and pictures go, what they cost stays. One statement takes
 * the words and notes what has to leave the store, then objects go, then their rows. Whatever comes in between, the sweeper
 * goes on from the note.
 */
import { type SQL, sql } from 'drizzle-orm'
import { readAccount } from '../accounts/accounts.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { forgetObjects } from '../generation/end.ts'
import { isId, outcomeOf } from '../history/outcome.ts'

interface Erased {
  id: string
  /** Pictures that were asked for. */
  count: number
}

const notePrefix = 'erased: '
/** Rows that one statement changes at most. */
const batchRows = 500
/** Generations whose objects are deleted at the same time. */
const atATime = 20
/** For the objects of a whole history while its owner waits, and in one round of the sweeper; what is left comes later. */
const ownersMs = 5_000
const sweepersMs = 2_000

/** False: this account has no such request. Throws AppError still_running. */
export async function erase(core: Core, userId: string, id: string): Promise<boolean> {
  if (!isId(id)) return false
  const [erased] = await takeOut(core, userId, sql`id = ${id}::uuid`)
  if (erased) await forget(core, erased)
  else if (await outcomeOf(core, userId, id)) throw new AppError('still_running')
  return erased !== undefined
}

/** All that is over. `running`: what is not, and stays. */
export async function eraseAll(core: Core, userId: string): Promise<{ erased: number; running: number }> {
  let erased = 0
  for (let last: string | undefined; ; ) {
    const batch = await takeOut(core, userId, sql`id in (${endedAfter(userId, last)})`)
    if (batch.length === 0) break
    erased += batch.length
    last = batch
      .map(({ id }) => id)
      .sort()
      .at(-1)
  }
  await finishErasing(core, ownersMs)
  const { inFlight } = await readAccount(core, userId)
  return { erased, running: inFlight }
}

/** What nobody could finish, as long as there is time. Ends with the first that fails: a store that is away stays so. */
export async function finishErasing(core: Core, withinMs = sweepersMs): Promise<void> {
  const until = Date.now() + withinMs
  for (;;) {
    // in no order, so that one that always fails does not keep the others
    const rows = await core.database.rows<Erased>(sql`
      select substr(name, ${notePrefix.length + 1}::int) as id, value::int as count from facts
      where name like ${`${notePrefix}%`} order by random() limit ${atATime}`)
    const done = await Promise.all(rows.map((each) => forget(core, each)))
    if (rows.length < atATime || done.includes(false) || Date.now() >= until) return
  }
}

/** In the order of their ids, so that two who do the same do not lock each other out. */
const endedAfter = (userId: string, last = '00000000-0000-0000-0000-000000000000') => sql`
  select id from generations
  where user_id = ${userId}::uuid and id > ${last}::uuid and erased_at is null
    and state in ('delivered','failed','cancelled')
  order by id limit ${batchRows} for update`

/** The ticket and what the provider told may quote the prompt, or link to the pictures. */
function takeOut(core: Core, userId: string, which: SQL): Promise<Erased[]> {
  return core.database.rows<Erased>(sql`
    with erased as (
      update generations set erased_at = now(), request = (request - 'negative') || '{"prompt": ""}'::jsonb,
        enhanced = null, webhook_url = null, ticket = null, told = null, error_data = null
      where ${which} and user_id = ${userId}::uuid and erased_at is null
        and state in ('delivered','failed','cancelled')
      returning id, (request->>'count')::int as count),
    told as (delete from api_webhooks where generation_id in (select id from erased) and due_at is null),
    note as (insert into facts (name, value) select ${notePrefix} || id, count::text from erased)
    select id, count from erased`)
}

/** False: tried again later. */
async function forget(core: Core, { id, count }: Erased): Promise<boolean> {
  try {
    await forgetObjects(core, { id, count })
    await core.database.rows(sql`
      with gone as (delete from images where generation_id = ${id}::uuid)
      delete from facts where name = ${notePrefix + id}`)
    return true
  } catch (error) {
    core.log.warn({ id, err: error }, 'pictures that were erased could not be deleted; that is tried again')
    return false
  }
}
