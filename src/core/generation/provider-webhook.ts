/** Calls of our webhook by providers. The message goes into the row, and the worker that waits for it is notified. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { eq, sql } from 'drizzle-orm'
import type { Json } from '../../db/json.ts'
import { generations } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { notify } from '../events/events.ts'

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

/** Keeps the first message about a generation; later ones change nothing. Throws AppError forged. */
export async function receiveWebhook(core: Core, { provider, id, token, headers, body }: WebhookCall): Promise<void> {
  const expected = Buffer.from(webhookToken(core.secretKey, id))
  const given = Buffer.from(token)
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw new AppError('forged')
  const receive = core.providers.get(provider)?.provider.receive
  if (!receive) throw new AppError('forged')
  const message = await receive({ headers, body })
  await core.database.rows(sql`
    with received as (
      update generations set webhook_message = ${JSON.stringify(message)}::jsonb
      where id::text = ${id} and provider = ${provider} and state = 'running' and webhook_message is null returning id)
    select ${notify('webhook', sql`id`)} from received`)
}

/** undefined: the provider has not called yet. */
export async function readWebhookMessage(core: Core, id: string): Promise<Json | undefined> {
  const [row] = await core.database.db
    .select({ message: generations.webhookMessage })
    .from(generations)
    .where(eq(generations.id, id))
  return row?.message ?? undefined
}
