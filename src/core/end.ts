/** The last step of a generation: state and money in one statement, so that they never disagree. */
import { sql } from 'drizzle-orm'
import type { Core } from './core.ts'
import type { Generation } from './generation.ts'
import { resolution } from './ledger.ts'
import type { Posted } from './ports.ts'
import { objectKey } from './submit.ts'

/** stored → delivered, charged for the pictures that came. False: another worker was first. */
export async function endDelivered(core: Core, g: Generation, posted: Posted): Promise<boolean> {
  const rows = await core.database.rows(sql`
    with ended as (
      update generations set state = 'delivered', ended_at = now(), lease_until = null, posted = ${posted}
      where id = ${g.id} and attempt = ${g.attempt} and state = 'stored' returning id, user_id, price, request)
    ${resolution(sql`ended`, 'capture')} returning id`)
  return rows.length > 0
}

/** Anything unfinished → failed or cancelled, the credits given back, nothing of it kept in the store. */
export async function endUnserved(core: Core, g: Generation, state: 'failed' | 'cancelled'): Promise<boolean> {
  const rows = await core.database.rows(sql`
    with ended as (
      update generations set state = ${state}, ended_at = now(), lease_until = null
      where id = ${g.id} and attempt = ${g.attempt} and state in ('queued','running','stored')
      returning id, user_id, price, request),
    leftover as (insert into facts (name, value) select ${leftoverPrefix} || id, request->>'count' from ended)
    ${resolution(sql`ended`, 'release')} returning id`)
  if (rows.length === 0) return false
  await forget(core, g.id, g.request.count)
  return true
}

/** Objects of what ended unserved while the store was away. */
export async function forgetLeftovers(core: Core): Promise<void> {
  const rows = await core.database.rows<{ name: string; value: string }>(
    sql`select name, value from facts where name like ${`${leftoverPrefix}%`} limit 100`,
  )
  for (const { name, value } of rows) await forget(core, name.slice(leftoverPrefix.length), Number(value))
}

const leftoverPrefix = 'leftover: '

/** The money is settled before this: a store that is away keeps nobody waiting for it. */
async function forget(core: Core, id: string, count: number): Promise<void> {
  try {
    await forgetObjects(core, { id, count })
    await core.database.rows(sql`
      with gone as (delete from images where generation_id = ${id}::uuid)
      delete from facts where name = ${leftoverPrefix + id}`)
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
  g: Pick<Generation, 'id'>,
  role: 'output' | 'thumbnail',
  position: number,
  type: string,
): string {
  return objectKey(core, 'image', g.id, role === 'output' ? String(position) : `${position}-small`, type)
}
