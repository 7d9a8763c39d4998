/**
 * Cancels a request. Either its pictures were stored first, and are paid for, or it is cancelled and free. The worker that
 * draws it is notified and stops; work at the provider is cancelled here, or by the worker that learns of it later.
 */
import type { Json } from '../../db/json.ts'
import type { Core } from '../core.ts'
import { type Outcome, outcomeOf } from '../history/outcome.ts'
import { isId } from '../ids.ts'
import { type Cancelled, endCancelled } from './end.ts'
import { failureReply } from './replies.ts'

/** Queued or running → cancelled and refunded. Anything later stays as it is. undefined: no such request. */
export async function cancel(core: Core, userId: string | null, id: string): Promise<Outcome | undefined> {
  if (!isId(id)) return undefined
  const cancelled = await endCancelled(core, userId, id)
  if (cancelled) {
    await Promise.all([cancelAtProvider(core, cancelled.provider, cancelled.ticket), showCancelled(core, cancelled)])
  }
  return outcomeOf(core, userId, id)
}

/** Best effort: the request has ended, whether the provider stops or not. */
export async function cancelAtProvider(core: Core, name: string, ticket: Json | null): Promise<void> {
  if (ticket === null) return
  try {
    await core.providers.get(name)?.provider.cancel?.(ticket)
  } catch (error) {
    core.log.warn({ provider: name, err: error }, 'the provider did not cancel the work of an ended request')
  }
}

/** Edits the message of the request. Harmless when repeated. */
export async function showCancelled(core: Core, cancelled: Cancelled): Promise<void> {
  const { id, surface, posted, price } = cancelled
  if (!posted) return
  try {
    await core.surfaces
      .get(surface)
      ?.edit(posted, failureReply(cancelled, { error: 'cancelled', data: {}, refunded: price }))
  } catch (error) {
    core.log.debug({ id, err: error }, 'could not show that a request was cancelled')
  }
}
