/**
 * A request that is not wanted any more. Whoever draws it is told and lets go; what it had started is cancelled by us, or
 * by the one who learns of it later. Either the pictures were stored first, and are paid for, or it is cancelled and free.
 */

import type { Json } from '../../db/json.ts'
import { wordsFor } from '../../locales/index.ts'
import type { Core } from '../core.ts'
import { isId, type Outcome, outcomeOf } from '../history/outcome.ts'
import { shorten } from '../text.ts'
import { type Cancelled, endCancelled } from './end.ts'

/** Queued or running → cancelled, with the credits back. What is over, or about to be, stays as it is. */
export async function cancel(core: Core, userId: string | null, id: string): Promise<Outcome | undefined> {
  if (!isId(id)) return undefined
  const cancelled = await endCancelled(core, userId, id)
  if (cancelled) {
    await Promise.all([stopProvider(core, cancelled.provider, cancelled.ticket), sayCancelled(core, cancelled)])
  }
  return outcomeOf(core, userId, id)
}

/** As far as it can: the request is over, whatever the provider says. */
export async function stopProvider(core: Core, name: string, ticket: Json | null): Promise<void> {
  if (ticket === null) return
  try {
    await core.providers.get(name)?.provider.cancel?.(ticket)
  } catch (error) {
    core.log.warn({ provider: name, err: error }, 'a provider did not cancel what nobody wants any more')
  }
}

/** Where people wait, their message says so. Harmless when repeated. */
export async function sayCancelled(core: Core, cancelled: Cancelled): Promise<void> {
  const { id, address, posted, locale, request, price } = cancelled
  const surface = core.surfaces.get(address.slice(0, address.indexOf(':')))
  if (!surface || !posted) return
  const words = wordsFor(locale)
  const prompt = shorten(request.prompt, 200)
  const text = words.failed({ prompt, reason: words.errors.cancelled(), credits: price })
  try {
    await surface.edit(posted, { text, state: 'failed' })
  } catch (error) {
    core.log.debug({ id, err: error }, 'that a request was cancelled was not shown')
  }
}
