/** The rows of those who want to be told. Each step is one statement; any number of processes may take from them. */
import { sql } from 'drizzle-orm'
import type { Core } from '../../../core/core.ts'
import { webhooksChannel } from '../../../core/generation/end.ts'

/** Somebody who is to be told now. */
export interface Due {
  /** Of what. */
  generationId: string
  url: string
  /** With the port, where there is one. */
  host: string
  userId: string
  /** Whose request it was; null: the operator's. */
  keyId: string | null
}

export interface Leased extends Due {
  /** With this one. It is the fence: whoever was too slow changes nothing but that somebody was told. */
  tries: number
}

/** Looked at in one go. */
const mostDue = 100
/** Longer than any try takes: whoever leased it has died. */
const leasedFor = '60 seconds'
const keptFor = '7 days'
const pruneRows = 500

/** Those who have waited longest first, without hosts and accounts that have no place now. */
export function findDue(
  core: Core,
  without: { hosts: readonly string[]; accounts: readonly string[] },
): Promise<Due[]> {
  // addresses are kept as the parser spells them: what follows '//' is the host
  const host = sql`split_part(w.url, '/', 3)`
  return core.database.rows<Due>(sql`
    select w.generation_id as "generationId", w.url, ${host} as host, g.user_id as "userId", g.api_key_id as "keyId"
    from api_webhooks w join generations g on g.id = w.generation_id
    where w.due_at <= now()
      and ${host} not in (select jsonb_array_elements_text(${JSON.stringify(without.hosts)}::jsonb))
      and g.user_id::text not in (select jsonb_array_elements_text(${JSON.stringify(without.accounts)}::jsonb))
    order by w.due_at limit ${mostDue}`)
}

/** Those of them that nobody else has. */
export async function lease(core: Core, found: readonly Due[]): Promise<Leased[]> {
  if (found.length === 0) return []
  const ids = JSON.stringify(found.map(({ generationId }) => generationId))
  const rows = await core.database.rows<{ id: string; tries: number }>(sql`
    update api_webhooks set tries = tries + 1, due_at = now() + ${leasedFor}::interval
    where generation_id in (
      select generation_id from api_webhooks
      where generation_id in (select jsonb_array_elements_text(${ids}::jsonb)::uuid) and due_at <= now()
      for update skip locked)
    returning generation_id as id, tries`)
  const tries = new Map(rows.map((row) => [row.id, row.tries]))
  return found.flatMap((due) => {
    const mine = tries.get(due.generationId)
    return mine === undefined ? [] : [{ ...due, tries: mine }]
  })
}

/** Whoever told it: somebody else may be at it as well, and then that changes nothing. */
export async function saveTold(core: Core, { generationId }: Leased): Promise<void> {
  await core.database.rows(sql`
    update api_webhooks set delivered_at = now(), due_at = null, problem = null
    where generation_id = ${generationId}::uuid and delivered_at is null`)
}

/** `againSeconds` undefined: never. False: it is somebody else's by now. */
export async function saveProblem(
  core: Core,
  due: Leased,
  { problem, againSeconds }: { problem: string; againSeconds: number | undefined },
): Promise<boolean> {
  // not all at the same moment, when a receiver comes back
  const rows = await core.database.rows(sql`
    update api_webhooks set problem = ${problem},
      due_at = now() + ${againSeconds ?? null}::float8 * (1 + random() / 10) * interval '1 second'
    where ${mine(due)} returning generation_id`)
  return rows.length > 0
}

/** As if it had not been taken: others are told that they may. */
export async function handBack(core: Core, due: Leased): Promise<void> {
  await core.database.rows(sql`
    with handed as (
      update api_webhooks set due_at = now(), tries = tries - 1 where ${mine(due)} returning generation_id)
    select pg_notify(${webhooksChannel}, '') from handed`)
}

const mine = ({ generationId, tries }: Leased) =>
  sql`generation_id = ${generationId}::uuid and tries = ${tries}::int and delivered_at is null`

/** What is over and old, in small bites, until nothing is left of it. */
export async function prune(core: Core, stopped: () => boolean): Promise<void> {
  while (!stopped()) {
    const gone = await core.database.rows(sql`
      delete from api_webhooks where generation_id in (
        select generation_id from api_webhooks where due_at is null and created_at < now() - ${keptFor}::interval
        limit ${pruneRows} for update skip locked)
      returning generation_id`)
    if (gone.length < pruneRows) return
  }
}
