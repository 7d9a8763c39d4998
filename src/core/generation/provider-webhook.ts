/** Calls of our webhook by providers. The message goes into the row, and those that wait for it are notified. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { eq, sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import type { Json } from '../../db/json.ts'
import { generations } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { notify } from '../events/events.ts'
import { isId } from '../ids.ts'
import { wakeUnheld } from './row.ts'
import { wake } from './submit.ts'

/** Part of the webhook's address: only the provider that was given it can report on this generation. */
export function webhookToken(secretKey: Buffer, id: string): string {
  return createHmac('sha256', secretKey).update(`hook\n${id}`).digest('base64url').slice(0, 32)
}

export interface WebhookCall {
  provider: string
  /** Of the generation. */
  id: string
  token: string
  headers: Readonly<Record<string, string | undefined>>
  body: Buffer
}

/**
 * Keeps the latest message about a generation that is being drawn. A generation that no worker has, because it waits for news of its
 * submission, is woken. Throws AppError forged.
 */
export async function receiveWebhook(core: Core, { provider, id, token, headers, body }: WebhookCall): Promise<void> {
  const expected = Buffer.from(webhookToken(core.secretKey, id))
  const given = Buffer.from(token)
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw new AppError('forged')
  const receive = core.providers.get(provider)?.provider.receive
  if (!receive) throw new AppError('forged')
  const message = await receive({ headers, body })
  if (!isId(id)) return
  const [job] = await readRows(
    core.database,
    received,
    (list) => sql`
      with received as (
        update generations set webhook_message = ${JSON.stringify(message)}::jsonb, ${wakeUnheld}
        where id = ${id}::uuid and provider = ${provider} and state = 'running' returning *)
      select ${list}, ${notify('webhook', sql`id`)} from received`,
  )
  // a provider may have the webhook called about work that is no generation (`followWebhook`)
  if (!job) await core.database.rows(sql`select ${notify('webhook', sql`${id}`)}`)
  else if (!job.held) await wake(core, { ...job, resumed: true })
}

const received = columnsOf(
  {
    id: generations.id,
    lane: generations.provider,
    priority: generations.priority,
    held: typed<boolean>(sql`lease_until is not null`),
  },
  '',
)

/** undefined: the provider has not called yet. */
export async function readWebhookMessage(core: Core, id: string): Promise<Json | undefined> {
  const [row] = await core.database.db
    .select({ message: generations.webhookMessage })
    .from(generations)
    .where(eq(generations.id, id))
  return row?.message ?? undefined
}
