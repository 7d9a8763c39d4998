/** Deletes a result for good: its messages on all surfaces, its words and its pictures. */
import { eq } from 'drizzle-orm'
import { generations } from '../../db/schema/generations.ts'
import type { ActOnRequest } from '../accounts/audit.ts'
import type { Core } from '../core.ts'
import { AppError, asAppError } from '../errors.ts'
import { allSent, mayHaveSent } from '../generation/sent-messages.ts'
import { hasEnded } from '../history/outcome.ts'
import { erase, eraseAll } from '../media/erase.ts'
import type { Posted } from '../ports/chat.ts'
import { deleteDueMessages } from './message-deletions.ts'

interface Removal {
  id: string
  /** The message with the pressed button, which may be one that only that person sees. */
  on?: { surface: string; posted: Posted }
  /** Who deletes it. */
  act: ActOnRequest
}

/**
 * A request that has not ended keeps its messages. Otherwise messages go first: after a crash, the repeated press finds the request
 * and continues, or finds that it is erased. A message that the chat does not let us delete stays. Throws AppError
 * chat_unavailable, still_running, and unknown_button when there is no such request. False: messages that the platform did not
 * confirm may be left.
 */
export async function removeResult(core: Core, { id, on, act }: Removal): Promise<boolean> {
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
  if (erasedAt === null) await erase(core, userId, id, { act })
  return !(await mayHaveSent(core, id))
}

/**
 * Deletes a request of the account, without waiting for chats: words and pictures go first, and the sweeper deletes the messages that this
 * process does not. Resolves to false when the account has no such request. Throws AppError still_running.
 */
export async function removeOwn(core: Core, userId: string, id: string): Promise<boolean> {
  const erased = await erase(core, userId, id, { messages: true })
  if (erased) void deleteDueMessages(core)
  return erased
}

/** Deletes every ended request of the account, likewise. `running`: how many have not ended, and stay. */
export async function removeAllOwn(core: Core, userId: string): Promise<{ erased: number; running: number }> {
  const removed = await eraseAll(core, userId, { messages: true })
  void deleteDueMessages(core)
  return removed
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
