/** The last step of a generation: state and money in one statement, so that they never disagree. */
import { sql } from 'drizzle-orm'
import { resolution } from '../billing/ledger.ts'
import type { Core } from '../core.ts'
import type { ErrorKind } from '../errors.ts'
import { endedChannel } from '../events/watch.ts'
import type { Posted } from '../ports/chat.ts'
import { ageOf } from '../ports/meter.ts'
import type { Generation } from './row.ts'
import { objectKey } from './submit.ts'

/** Somebody wants to be told of an end: a row of api_webhooks is due. */
export const webhooksChannel = 'fluxbot_webhooks'

/** stored → delivered, charged for the pictures that came. False: another worker was first. */
export async function endDelivered(core: Core, generation: Generation, posted: Posted): Promise<boolean> {
  const rows = await core.database.rows(sql`
    with ended as (
      update generations set state = 'delivered', ended_at = now(), lease_until = null, posted = ${posted}
      where id = ${generation.id} and attempt = ${generation.attempt} and state = 'stored'
      returning id, address, user_id, price, request, webhook_url),
    entry as (${resolution(sql`ended`, 'capture')}),
    ${aftermath}
    select id, ${wakeTellers}, ${wakeAskers} from ended`)
  if (rows.length === 0) return false
  core.meter?.ended(generation, { state: 'delivered' }, ageOf(generation))
  return true
}

/** Anything unfinished → failed, the credits given back, nothing of it kept in the store. False: another was first. */
export async function endFailed(core: Core, generation: Generation, error: ErrorKind): Promise<boolean> {
  const rows = await core.database.rows(sql`
    with ended as (
      update generations set state = 'failed', ended_at = now(), lease_until = null
      where id = ${generation.id} and attempt = ${generation.attempt} and state in ('queued','running','stored')
      returning id, address, user_id, price, request, webhook_url),
    leftover as (insert into facts (name, value) select ${leftoverPrefix} || id, request->>'count' from ended),
    entry as (${resolution(sql`ended`, 'release')}),
    ${aftermath}
    select id, ${wakeTellers}, ${wakeAskers} from ended`)
  if (rows.length === 0) return false
  core.meter?.ended(generation, { state: 'failed', error }, ageOf(generation))
  await forget(core, generation.id, generation.request.count)
  return true
}

export type Cancelled = Pick<
  Generation,
  'id' | 'address' | 'posted' | 'locale' | 'request' | 'price' | 'model' | 'provider' | 'ticket'
>

/**
 * Whoever has it: queued or running → cancelled, the credits given back. undefined: its pictures are stored, its failure
 * decided or it is over, or it is not this account's (null: any account).
 */
export async function endCancelled(core: Core, userId: string | null, id: string): Promise<Cancelled | undefined> {
  const [cancelled] = await core.database.rows<Cancelled>(sql`
    with ended as (
      update generations set state = 'cancelled', error = 'cancelled', ended_at = now(), lease_until = null
      where id = ${id}::uuid and (${userId}::uuid is null or user_id = ${userId}::uuid)
        and state in ('queued','running') and error is null
      returning id, address, posted, locale, user_id, price, request, model, provider, ticket, webhook_url),
    leftover as (insert into facts (name, value) select ${leftoverPrefix} || id, request->>'count' from ended),
    entry as (${resolution(sql`ended`, 'release')}),
    ${aftermath}
    select *, ${wakeTellers}, pg_notify(${endedChannel}, id::text) from ended`)
  // whoever draws it, or keeps its input, may be storing just now: the note stays, and the sweeper looks again
  if (cancelled) {
    core.meter?.ended(cancelled, { state: 'cancelled' })
    await forget(core, id, cancelled.request.count, true)
  }
  return cancelled
}

/**
 * In each statement that ends generations: what programs were shown of it goes, and who wants to be told is noted, so that
 * nobody can be forgotten.
 */
const aftermath = sql`
    shown as (delete from api_progress where generation_id in (select id from ended)),
    tell as (
      insert into api_webhooks (generation_id, url) select id, webhook_url from ended where webhook_url is not null
      on conflict (generation_id) do nothing)`

const wakeTellers = sql`case when webhook_url is not null then pg_notify(${webhooksChannel}, '') end as tellers`

/** Programs that wait for it. */
const wakeAskers = sql`case when address like 'api:%' then pg_notify(${endedChannel}, id::text) end as askers`

/** Objects of what ended unserved while the store was away. */
export async function forgetLeftovers(core: Core): Promise<void> {
  const rows = await core.database.rows<{ name: string; value: string }>(
    sql`
      with noted as materialized (select name, value from facts where name like ${`${leftoverPrefix}%`})
      select name, value from noted
      left join generations g on g.id = substr(name, ${leftoverPrefix.length + 1}::int)::uuid and g.state = 'cancelled'
      where g.id is null or g.ended_at < now() - ${settledAfter}::interval
      limit 100`,
  )
  for (const { name, value } of rows) await forget(core, name.slice(leftoverPrefix.length), Number(value))
}

const leftoverPrefix = 'leftover: '
/** Nobody stores anything any more of what was cancelled so long ago. */
const settledAfter = '2 minutes'

/** The money is settled before this: a store that is away keeps nobody waiting for it. */
async function forget(core: Core, id: string, count: number, again = false): Promise<void> {
  try {
    await forgetObjects(core, { id, count })
    await core.database.rows(sql`
      with gone as (delete from images where generation_id = ${id}::uuid)
      delete from facts where name = ${leftoverPrefix + id} and not ${again}::bool`)
  } catch (error) {
    core.log.warn({ id, err: error }, 'pictures of a request that failed could not be deleted; that is tried again')
  }
}

/**
 * Deletes what the rows name and what a try that died between storing and saying so may have left: keys are derived, so
 * they are known without a row.
 */
export async function forgetObjects(core: Core, { id, count }: { id: string; count: number }): Promise<void> {
  const rows = await core.database.rows<{ key: string }>(sql`select key from images where generation_id = ${id}`)
  const keys = new Set(rows.map((row) => row.key))
  for (let position = 0; position < count; position++) {
    keys.add(outputKey(core, { id }, 'thumbnail', position, 'image/webp'))
    for (const type of ['image/png', 'image/jpeg', 'image/webp'])
      keys.add(outputKey(core, { id }, 'output', position, type))
  }
  await Promise.all([...keys].map((key) => core.store.delete(key)))
}

export function outputKey(
  core: Core,
  generation: Pick<Generation, 'id'>,
  role: 'output' | 'thumbnail',
  position: number,
  type: string,
): string {
  return objectKey(core, 'image', generation.id, role === 'output' ? String(position) : `${position}-small`, type)
}
