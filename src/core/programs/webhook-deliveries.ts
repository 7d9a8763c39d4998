/** Rows of webhooks to deliver. Each step is one statement, so that any number of processes may share the work. */

import { sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { generations } from '../../db/schema/generations.ts'
import { apiWebhooks } from '../../db/schema/programs.ts'
import type { Core } from '../core.ts'
import { webhooksChannel } from '../generation/end.ts'

/** With the port, if the URL has one. URLs are stored as the parser spells them, so the host follows '//'. */
const host = sql`split_part(${apiWebhooks.url}, '/', 3)`

const dueColumns = columnsOf({
  /** The generation that has ended. */
  generationId: apiWebhooks.generationId,
  url: apiWebhooks.url,
  host: typed<string>(host),
  userId: generations.userId,
  /** Key of the request. null: the operator's. */
  keyId: generations.apiKeyId,
})

/** A webhook that is due. */
export type DueWebhook = NonNullable<(typeof dueColumns)['row']>

const leasedColumns = columnsOf({ id: apiWebhooks.generationId, attempt: apiWebhooks.tries })

export type LeasedWebhook = DueWebhook & {
  /** Number of this attempt, from 1. It fences late writers, except for a success. */
  attempt: number
}

/** Rows of one look-up. */
const maxDue = 100
/** Longer than any attempt takes: after it the process has died. */
const leaseTime = '60 seconds'
const keptFor = '7 days'
const pruneRows = 500

/** The longest due come first. `without`: hosts and accounts that have no free slot. */
export function findDueWebhooks(
  core: Core,
  without: { hosts: readonly string[]; accounts: readonly string[] },
): Promise<DueWebhook[]> {
  return readRows(
    core.database,
    dueColumns,
    (list) => sql`
    select ${list} from api_webhooks join generations on generations.id = api_webhooks.generation_id
    where due_at <= now()
      and ${host} not in (select jsonb_array_elements_text(${JSON.stringify(without.hosts)}::jsonb))
      and user_id::text not in (select jsonb_array_elements_text(${JSON.stringify(without.accounts)}::jsonb))
    order by due_at limit ${maxDue}`,
  )
}

/** Returns those that no other process has leased. */
export async function leaseWebhooks(core: Core, found: readonly DueWebhook[]): Promise<LeasedWebhook[]> {
  if (found.length === 0) return []
  const ids = JSON.stringify(found.map(({ generationId }) => generationId))
  const rows = await readRows(
    core.database,
    leasedColumns,
    (list) => sql`
    update api_webhooks set tries = tries + 1, due_at = now() + ${leaseTime}::interval
    where generation_id in (
      select generation_id from api_webhooks
      where generation_id in (select jsonb_array_elements_text(${ids}::jsonb)::uuid) and due_at <= now()
      for update skip locked)
    returning ${list}`,
  )
  const attempts = new Map(rows.map((row) => [row.id, row.attempt]))
  return found.flatMap((due) => {
    const attempt = attempts.get(due.generationId)
    return attempt === undefined ? [] : [{ ...due, attempt }]
  })
}

/** Not fenced: the delivery happened, even when another process has leased the webhook meanwhile. */
export async function saveDelivered(core: Core, { generationId }: LeasedWebhook): Promise<void> {
  await core.database.rows(sql`
    update api_webhooks set delivered_at = now(), due_at = null, problem = null
    where generation_id = ${generationId}::uuid and delivered_at is null`)
}

/** `retryInSeconds` undefined: never. Resolves to false when another process has leased the webhook meanwhile. */
export async function saveProblem(
  core: Core,
  webhook: LeasedWebhook,
  { problem, retryInSeconds }: { problem: string; retryInSeconds: number | undefined },
): Promise<boolean> {
  // with a random part, so that a receiver that comes back does not get all of them at once
  const rows = await core.database.rows(sql`
    update api_webhooks set problem = ${problem},
      due_at = now() + ${retryInSeconds ?? null}::float8 * (1 + random() / 10) * interval '1 second'
    where ${isLeased(webhook)} returning generation_id`)
  return rows.length > 0
}

/** Undoes the lease, and wakes the other processes. */
export async function returnLease(core: Core, webhook: LeasedWebhook): Promise<void> {
  await core.database.rows(sql`
    with returned as (
      update api_webhooks set due_at = now(), tries = tries - 1 where ${isLeased(webhook)} returning generation_id)
    select pg_notify(${webhooksChannel}, '') from returned`)
}

const isLeased = ({ generationId, attempt }: LeasedWebhook) =>
  sql`generation_id = ${generationId}::uuid and tries = ${attempt}::int and delivered_at is null`

/** Deletes old rows that are no longer due, in small batches, until none is left. */
export async function pruneWebhooks(core: Core, stopped: () => boolean): Promise<void> {
  while (!stopped()) {
    const gone = await core.database.rows(sql`
      delete from api_webhooks where generation_id in (
        select generation_id from api_webhooks where due_at is null and created_at < now() - ${keptFor}::interval
        limit ${pruneRows} for update skip locked)
      returning generation_id`)
    if (gone.length < pruneRows) return
  }
}
