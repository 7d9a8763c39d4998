/**
 * Cancels a request. Either its pictures were stored first, and are paid for, or it is cancelled and free. The worker that
 * draws it is notified and stops; work at the provider is cancelled here, or by the worker that learns of it later.
 */
import { sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import type { Json } from '../../db/json.ts'
import { generations } from '../../db/schema/generations.ts'
import type { ActOnRequest } from '../accounts/audit.ts'
import { asPutOff } from '../chats/pace.ts'
import type { Core } from '../core.ts'
import { type AppError, type ErrorData, type ErrorKind, isPutOff, shortestPauseMs } from '../errors.ts'
import { oldestUnfinished } from '../history/backlog.ts'
import { type Outcome, outcomeOf } from '../history/outcome.ts'
import { isId } from '../ids.ts'
import type { Call, PressedMessage } from '../ports/chat.ts'
import { type Cancelled, endCancelled } from './end.ts'
import { failureReply } from './replies.ts'
import { findSent } from './sent-messages.ts'

/** Queued or running → cancelled and refunded. Anything later stays as it is. undefined: no such request. `act`: of an administrator. */
export async function cancel(
  core: Core,
  userId: string | null,
  id: string,
  act?: ActOnRequest,
): Promise<Outcome | undefined> {
  return isId(id) ? end(core, { userId, id, act }) : undefined
}

/**
 * The newest request of an account that can be cancelled. A repeated call with the same key finds the request that it has
 * cancelled before. undefined: there is none.
 */
export async function cancelNewest(
  core: Core,
  { userId, key }: { userId: string; key: string },
): Promise<Outcome | undefined> {
  const byThisCall = sql`coalesce(state = 'cancelled' and error_data->>'by' = ${key}, false)`
  const [newest] = await readRows(
    core.database,
    idColumns,
    (list) => sql`
      select ${list} from generations
      where user_id = ${userId}::uuid and id > ${oldestUnfinished(core)}::uuid
        and (${byThisCall} or (state in ('queued','running') and error is null))
      order by ${byThisCall} desc, id desc limit 1`,
  )
  return newest && end(core, { userId, id: newest.id, by: key })
}

/**
 * Ends what an account has under way and can still be cancelled. `why`: the error that the person sees. Resolves to the number of requests.
 */
export async function cancelAll(core: Core, userId: string, why: AppError): Promise<number> {
  const open = await readRows(
    core.database,
    idColumns,
    (list) => sql`
      select ${list} from generations
      where user_id = ${userId}::uuid and id > ${oldestUnfinished(core)}::uuid
        and state in ('queued','running') and error is null`,
  )
  const ended: Cancelled[] = []
  for (const { id } of open) {
    const cancelled = await endCancelled(core, { userId, id, why })
    if (cancelled) ended.push(cancelled)
  }
  // all have ended before the first provider or chat is asked, which may be slow
  await Promise.all(ended.map((cancelled) => tellOfEnd(core, cancelled)))
  return ended.length
}

const idColumns = columnsOf({ id: generations.id }, '')

async function end(core: Core, which: Parameters<typeof endCancelled>[1]): Promise<Outcome | undefined> {
  const cancelled = await endCancelled(core, which)
  if (cancelled) await tellOfEnd(core, cancelled)
  return outcomeOf(core, which.userId, which.id)
}

async function tellOfEnd(core: Core, cancelled: Cancelled): Promise<void> {
  await Promise.all([cancelAtProvider(core, cancelled.provider, cancelled.ticket), showCancelled(core, cancelled)])
}

interface Waiting extends Pick<Call, 'surface' | 'locale'> {
  on: PressedMessage | undefined
}

/**
 * Ends the message whose Cancel was pressed, once the request has ended. Where a repeated post shows a second message, a process may
 * have posted this one and died before it recorded it, so that it would wait for ever.
 */
export async function endWaiting(core: Core, { surface: name, locale, on }: Waiting, outcome: Outcome): Promise<void> {
  const surface = core.surfaces.get(name)
  const { id, state, request, error, price } = outcome
  if (!surface?.postsAnew || !on?.name) return
  try {
    if (error) {
      const failure = { error: error.kind, data: error.data, refunded: price }
      await surface.edit(on.posted, failureReply({ id, locale, request }, failure))
    } else if (state === 'delivered' && !(await findSent(core, name, on.name))) await surface.remove(on.posted)
  } catch (thrown) {
    core.log.debug({ id, err: thrown }, 'could not end a message that waits')
  }
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

const whyColumns = columnsOf({
  error: typed<ErrorKind>(generations.error),
  data: typed<ErrorData | null>(generations.errorData),
})

/** How long a chat without room is tried again. After that, a press of its Cancel button ends the message. */
const showWithinMs = 5 * 60_000

/** Edits the message of the request. Harmless when repeated. If the chat has no room, it is tried again later, and no caller waits for that. */
export async function showCancelled(
  core: Core,
  cancelled: Pick<Cancelled, 'id' | 'surface' | 'posted' | 'price' | 'locale' | 'request'>,
  until = Date.now() + showWithinMs,
): Promise<void> {
  const { id, surface: name, posted, price } = cancelled
  const surface = core.surfaces.get(name)
  if (!posted || !surface || surface.isSilent) return
  try {
    const [why] = await readRows(
      core.database,
      whyColumns,
      (list) => sql`select ${list} from generations where id = ${id}::uuid`,
    )
    const { error = 'cancelled', data } = why ?? {}
    await surface.edit(posted, failureReply(cancelled, { error, data: data ?? {}, refunded: price }))
  } catch (error) {
    core.log.debug({ id, err: error }, 'could not show that a request was cancelled')
    if (!isPutOff(error) || Date.now() + error.retryAfterMs > until) return
    setTimeout(
      () => void asPutOff(() => showCancelled(core, cancelled, until)),
      Math.max(shortestPauseMs, error.retryAfterMs),
    ).unref()
  }
}
