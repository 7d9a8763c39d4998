/** Deletes a result for good: its messages on all surfaces, its words and its pictures. */
import { eq } from 'drizzle-orm'
import { generations } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'
import { AppError, asAppError } from '../errors.ts'
import { allSent } from '../generation/sent-messages.ts'
import { hasEnded } from '../history/outcome.ts'
import { erase } from '../media/erase.ts'
import type { Posted } from '../ports/chat.ts'

interface Removal {
  id: string
  /** The message with the pressed button, which may be one that only that person sees. */
  on?: { surface: string; posted: Posted }
}

/**
 * A request that has not ended keeps its messages. Otherwise messages go first: after a crash, the repeated press finds the request
 * and continues, or finds that it is erased. A message that the chat does not let us delete stays. Throws AppError
 * chat_unavailable, still_running, and unknown_button when there is no such request.
 */
export async function removeResult(core: Core, { id, on }: Removal): Promise<void> {
  const [request] = await core.database.db
    .select({
      userId: generations.userId,
      surface: generations.surface,
      posted: generations.posted,
      state: generations.state,
      erasedAt: generations.erasedAt,
    })
    .from(generations)
    .where(eq(generations.id, id))
  if (!request) throw new AppError('unknown_button')
  const { userId, surface, posted, state, erasedAt } = request
  // an ended request stays ended
  if (!hasEnded(state)) throw new AppError('still_running')
  const messages = [
    ...(on ? [on] : []),
    ...(await allSent(core, id)),
    ...(posted === null ? [] : [{ surface, posted: posted as Posted }]),
  ]
  for (const message of messages) await removeMessage(core, id, message)
  if (erasedAt === null) await erase(core, userId, id)
}

async function removeMessage(core: Core, id: string, { surface, posted }: { surface: string; posted: Posted }) {
  try {
    await core.surfaces.get(surface)?.remove(posted)
  } catch (thrown) {
    const error = asAppError(thrown)
    if (error.kind === 'chat_unavailable') throw error
    core.log.warn({ id, surface, kind: error.kind, err: error.cause }, 'could not delete a message of a deleted result')
  }
}
