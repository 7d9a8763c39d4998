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
  await forgetObjects(core, g)
  const rows = await core.database.rows(sql`
    with ended as (
      update generations set state = ${state}, ended_at = now(), lease_until = null
      where id = ${g.id} and attempt = ${g.attempt} and state in ('queued','running','stored')
      returning id, user_id, price, request),
    forgotten as (delete from images where generation_id in (select id from ended))
    ${resolution(sql`ended`, 'release')} returning id`)
  return rows.length > 0
}

/**
 * Deletes what the rows name and what a try that died between storing and saying so may have left: keys are derived, so
 * they are known without a row.
 */
export async function forgetObjects(core: Core, g: Generation): Promise<void> {
  const rows = await core.database.rows<{ key: string }>(sql`select key from images where generation_id = ${g.id}`)
  const keys = new Set(rows.map((row) => row.key))
  for (let position = 0; position < g.request.count; position++) {
    keys.add(outputKey(core, g, 'thumbnail', position, 'image/webp'))
    for (const type of ['image/png', 'image/jpeg', 'image/webp']) keys.add(outputKey(core, g, 'output', position, type))
  }
  await Promise.all([...keys].map((key) => core.store.delete(key)))
}

export function outputKey(
  core: Core,
  g: Generation,
  role: 'output' | 'thumbnail',
  position: number,
  type: string,
): string {
  return objectKey(core, 'image', g.id, role === 'output' ? String(position) : `${position}-small`, type)
}
