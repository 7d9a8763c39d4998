/** An answer whose chat refuses it goes to the person in private: a bot may be removed from a group, or a topic closed. */
import { sql } from 'drizzle-orm'
import { columnsOf, readRows } from '../../db/columns.ts'
import { identities } from '../../db/schema/accounts.ts'
import type { Core } from '../core.ts'
import { asAppError } from '../errors.ts'
import type { Generation } from '../generation/row.ts'
import type { Address } from '../ports/chat.ts'

/**
 * From now on the request is answered in private. What was sent of its result before is out of reach, so it is sent again. False:
 * there is no such chat, or the request was private already.
 */
export async function moveToPrivate(core: Core, generation: Generation): Promise<boolean> {
  const address = await privateAddress(core, generation)
  if (address === undefined || address === generation.address) return false
  const { id, attempt, surface } = generation
  const moved = await core.database.rows(sql`
    with moved as (
      update generations set address = ${address}, posted = null
      where id = ${id}::uuid and attempt = ${attempt}::int and state in ('queued','running','stored') returning id),
    sent as (
      delete from sent_messages where generation_id in (select id from moved) and surface = ${surface} and asked_by = ''),
    begun as (
      delete from begun_messages where generation_id in (select id from moved) and surface = ${surface} and asked_by = '')
    select id from moved`)
  return moved.length > 0
}

const columns = columnsOf({ id: identities.id, name: identities.name })

async function privateAddress(core: Core, generation: Generation): Promise<Address | undefined> {
  const { id, surface: name, address, userId } = generation
  const surface = core.surfaces.get(name)
  if (!surface?.privately) return undefined
  const [person] = await readRows(
    core.database,
    columns,
    (list) => sql`
      select ${list} from identities where user_id = ${userId}::uuid and starts_with(id, ${`${name}:`})
      order by created_at limit 1`,
  )
  if (!person) return undefined
  try {
    return await surface.privately(address, person)
  } catch (thrown) {
    const { kind } = asAppError(thrown)
    core.log.debug({ id, surface: name, kind }, 'an answer that its chat refused cannot go to the person in private')
    return undefined
  }
}
