/**
 * Request → accepted generation. Everything that can be refused is refused before the one statement that saves the row and
 * holds the credits; a refused request leaves nothing behind.
 */

import { sql } from 'drizzle-orm'
import { columnsOf, readRows } from '../../db/columns.ts'
import { generations } from '../../db/schema/generations.ts'
import { accountOf } from '../accounts/accounts.ts'
import { slowDown } from '../accounts/limits.ts'
import { priceOf } from '../billing/price.ts'
import type { Candidate, Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { inputKey } from '../media/object-keys.ts'
import { readInputs, withReservation } from '../media/read-inputs.ts'
import type { ImageFile } from '../ports/images.ts'
import type { RequestParams, Takes } from '../ports/models.ts'
import type { Job } from '../ports/queue.ts'
import { checkParams, chooseRoute, nearestAspect } from '../request/check.ts'
import { enlarged } from '../request/enlarge.ts'
import { type Accepted, accept, acceptedBefore, type Submission, wakeAfterMs } from './accept.ts'
import { refusal } from './rules.ts'

/** Throws AppError for every reason to refuse. Work starts with `wake`. */
export async function submit(core: Core, submission: Submission): Promise<Accepted> {
  const { chosen, images } = submission
  const { model, takes } = chosen
  const { params, candidate } = await candidateOf(core, submission)
  const first = candidate.request
  if (rose(candidate, submission) && !(await acceptedBefore(core, submission.key))) {
    throw new AppError('price_rose', { price: candidate.price, shown: submission.shownPrice })
  }
  const inputs = await loadInputs(core, candidate, submission)
  // an edited picture keeps its shape unless the person asks for another
  const aspect = params.aspect ?? (inputs[0] && nearestAspect(takes, inputs[0]))
  const shaped = aspect === undefined ? first : checkParams(chosen, { ...params, aspect }, images.length)
  const request = enlarged(shaped, inputs[0])
  const route = chooseRoute(core, model, request)
  const accepted = await accept(core, submission, { candidate: { ...candidate, request }, route, inputs })
  if (accepted.fresh) logAccepted(core, accepted, submission)
  if (inputs.length > 0 && (accepted.fresh || (await lacksInputs(core, accepted.id, inputs)))) {
    await storeInputs(core, accepted.id, inputs)
  }
  return accepted
}

const rose = ({ price }: Candidate, { shownPrice = price }: Submission) => price > shownPrice

/** What the rules check, before any picture is read. Throws AppError for what the model does not take. */
export async function candidateOf(
  core: Core,
  { chosen, images, from, surface, place, ...submission }: Submission,
): Promise<{ params: RequestParams; candidate: Candidate }> {
  const { params, request, price } = quote(core, { chosen, params: submission.params, images: images.length })
  const userId = 'userId' in from ? from.userId : await accountOf(core, from)
  const { inFlight, perMinute } = submission.limits ?? core.limits
  return { params, candidate: { userId, surface, place, request, price, inFlight, perMinute } }
}

interface Composed extends Pick<Submission, 'chosen' | 'params'> {
  /** Number of input pictures. */
  images: number
}

/** A request as its model takes it, and what it costs. Throws AppError for what the model does not take. */
export function quote(core: Core, { chosen, params: asked, images }: Composed) {
  const params: RequestParams = { ...asked, enhance: enhanceWanted(core, asked, chosen.takes) }
  const request = checkParams(chosen, params, images)
  return { params, request, price: priceOf(chosen.model, request) }
}

function logAccepted(core: Core, { id, request, price }: Accepted, { surface, program }: Submission): void {
  core.log.info(
    { id, requestId: program?.requestId, surface, model: request.model, credits: price },
    'a request was accepted',
  )
}

/** Adds it to the queue. If that fails the sweeper does: the row is what counts. */
export async function wake(core: Core, job: Job): Promise<void> {
  try {
    await core.queue.add(job)
  } catch (error) {
    core.log.warn({ id: job.id, err: error }, 'could not queue a request; the sweeper will')
  }
}

/**
 * For a request that was accepted before, in case the process that did so has died. Not while its pictures may still be on
 * their way into the store: a worker would miss them.
 */
export async function wakeAgain(core: Core, job: Job): Promise<void> {
  const [stored] = await core.database.rows(sql`
    select id from generations
    where id = ${job.id}::uuid and (attempt > 0 or wake_at <= now() + ${`${wakeAfterMs} milliseconds`}::interval)`)
  if (stored) await wake(core, job)
}

/** Throws AppError enhancer_missing when the request itself asks for it. */
function enhanceWanted(core: Core, { enhance, prompt }: RequestParams, takes: Takes): boolean | undefined {
  if (enhance && !core.enhancer) throw new AppError('enhancer_missing', { name: 'enhance' })
  const wanted = enhance ?? (core.enhanceByDefault && core.enhancer !== undefined)
  return wanted && prompt !== '' && takes.prompt !== 'none' ? true : undefined
}

/**
 * Reading pictures costs us something before the request is paid for: pictures of a refused request are not loaded, an account
 * loads only so many at a time, and a request whose pictures are bad counts in the account's pace.
 */
async function loadInputs(core: Core, candidate: Candidate, { key, images }: Submission): Promise<ImageFile[]> {
  if (images.length === 0) return []
  return withReservation(core, candidate, async (reservation) => {
    const error = await refusal(core, candidate)
    // a repeated call is not refused for what its first delivery did
    if (error && !(await acceptedBefore(core, key))) throw error
    try {
      return await readInputs(core, reservation, images)
    } catch (error) {
      await slowDown(core, candidate.userId, candidate)
      throw error
    }
  })
}

/** Whether a request that was accepted before still waits for these pictures: the process that had them may have died. */
async function lacksInputs(core: Core, id: string, inputs: readonly ImageFile[]): Promise<boolean> {
  const files = inputs.map(({ type, data }, position) => ({
    key: inputKey(core, id, position, type),
    bytes: data.length,
  }))
  const waiting = await core.database.rows(sql`
    select g.id from generations g
    where g.id = ${id}::uuid and g.state = 'queued' and g.attempt = 0
      and g.wake_at > now() + ${`${wakeAfterMs} milliseconds`}::interval
      and (select count(*) from images i
        join jsonb_to_recordset(${JSON.stringify(files)}::jsonb) as f(key text, bytes int) on f.key = i.key and f.bytes = i.bytes
        where i.generation_id = g.id and i.role = 'input') = ${files.length}::int`)
  return waiting.length > 0
}

const stateColumns = columnsOf({ state: generations.state })

/**
 * Runs after acceptance, so that nothing is stored for a refused request. A crash in between is made good when the act is handled
 * again; if it is not, or the store is away, the request ends as 'input_lost' with a refund.
 */
async function storeInputs(core: Core, id: string, inputs: readonly ImageFile[]): Promise<void> {
  const keys = inputs.map(({ type }, position) => inputKey(core, id, position, type))
  try {
    await Promise.all(inputs.map((file, position) => core.store.put(keys[position] ?? '', file.data, file.type)))
  } catch (error) {
    core.log.error({ id, err: error }, 'could not store input pictures')
  }
  // from here on any process may start it
  const [row] = await readRows(
    core.database,
    stateColumns,
    (list) => sql`
    update generations set
      wake_at = case when attempt = 0 then now() + ${`${wakeAfterMs} milliseconds`}::interval else wake_at end
    where id = ${id}::uuid returning ${list}`,
  )
  const ended = row?.state === 'failed' || row?.state === 'cancelled'
  if (ended) await Promise.all(keys.map((key) => core.store.delete(key)))
}
