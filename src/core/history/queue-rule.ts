/** Refuses a request that would wait in its lane beyond its deadline, so that it holds no credits for a picture that cannot come. */
import { eq } from 'drizzle-orm'
import { users } from '../../db/schema/accounts.ts'
import type { Core, Rule } from '../core.ts'
import { AppError } from '../errors.ts'
import { deadlineMsIn } from '../providers/deadline.ts'
import { routesFor } from '../request/check.ts'

export const queueRule: Rule = async (core, { userId, request }) => {
  const model = core.models.all().find(({ id }) => id === request.model)
  const lane = model && routesFor(core, model, request)[0]?.provider
  if (lane === undefined) return undefined
  const limit = deadlineMsIn(core, lane) / 1000
  // nearly always: then the account need not be read
  if ((await waitIn(core, lane, Number.POSITIVE_INFINITY)) <= limit) return undefined
  const wait = await waitIn(core, lane, await priorityOf(core, userId))
  if (wait <= limit) return undefined
  return new AppError('busy', { minutes: Math.ceil(wait / 60) }, { retryAfterMs: (wait - limit) * 1000 })
}

/** Seconds until a request with this priority is started, by what recent requests took. */
async function waitIn(core: Core, lane: string, priority: number): Promise<number> {
  const places = core.providers.get(lane)?.settings.concurrency ?? 1
  return (await core.expectations.secondsOfWork(lane, priority)) / places
}

/** As `accept` gives it. */
async function priorityOf(core: Core, userId: string): Promise<number> {
  const [user] = await core.database.db.select({ inFlight: users.inFlight }).from(users).where(eq(users.id, userId))
  return (user?.inFlight ?? 0) + 1
}
