/**
 * Request → accepted generation. Everything that can be refused is refused before the one statement that saves the row and
 * holds the credits; a refused request leaves nothing behind.
 */

import { sql } from 'drizzle-orm'
import { columnsOf, readRows } from '../../db/columns.ts'
import { generations } from '../../db/schema/generations.ts'
import { accountOf, currentAccount, rememberedAccountOf } from '../accounts/accounts.ts'
import { slowDown } from '../accounts/limits.ts'
import { quote } from '../billing/quote.ts'
import type { Candidate, Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { queueRule } from '../history/queue-rule.ts'
import { type InputFiles, type InputObject, inputObjects } from '../media/input-objects.ts'
import { readWithMask, withReservation } from '../media/read-inputs.ts'
import type { Job } from '../ports/queue.ts'
import { chooseRoute } from '../request/check.ts'
import { note, traced } from '../trace.ts'
import { type Accepted, accept, acceptedBefore, type Submission, wakeAfterMs } from './accept.ts'
import { judged } from './rules.ts'

/** Throws AppError for every reason to refuse. Work starts with `wake`. */
export function submit(core: Core, submission: Submission): Promise<Accepted> {
  const { surface, program, chosen } = submission
  const facts = { surface, requestId: program?.requestId, model: chosen.model.id }
  return traced('accept', facts, () => submitInSpan(core, submission))
}

async function submitInSpan(core: Core, submission: Submission): Promise<Accepted> {
  const { images, from } = submission
  // the accepting statement notices an account that was joined with another; rules before it would not
  const userId = images.length > 0 || 'userId' in from ? undefined : await rememberedAccountOf(core, from)
  const first = await candidateOf(core, submission, userId)
  await refuseAnew(core, submission, priceError(first, submission) ?? (await queueRule(core, first)))
  const files = await loadInputs(core, first, submission)
  const { inputs } = files
  // a repeated result whose mask is gone
  if (first.request.mask && !files.mask) throw new AppError('input_lost')
  // the shape of an input picture may decide the size, and with it the price
  const sized = () => quote(core, { ...submission, images: inputs.length, input: inputs[0] })
  const candidate = images.length > 0 ? { ...first, ...sized() } : first
  await refuseAnew(core, submission, priceError(candidate, submission))
  const route = chooseRoute(core, submission.chosen.model, candidate.request)
  const accepted = await accept(core, submission, { candidate, route, ...files })
  note({ id: accepted.id, provider: route.provider, endpoint: route.endpoint })
  if (accepted.fresh) logAccepted(core, accepted, submission)
  const objects = inputObjects(core, accepted.id, files)
  if (objects.length > 0 && (accepted.fresh || (await lacksInputs(core, accepted.id, objects)))) {
    await storeInputs(core, accepted.id, objects)
  }
  return accepted
}

/** A request that was accepted before stays accepted. */
async function refuseAnew(core: Core, { key }: Submission, error: AppError | undefined): Promise<void> {
  if (error && !(await acceptedBefore(core, key))) throw error
}

/** A request costs no more than the person was shown. */
function priceError({ price }: Candidate, { shownPrice: shown = price }: Submission): AppError | undefined {
  return price > shown ? new AppError('price_rose', { price, shown }) : undefined
}

/** What the rules check, before any picture is read. Throws AppError for what the model does not take. */
export async function candidateOf(core: Core, submission: Submission, account?: string): Promise<Candidate> {
  const { from, payer, surface, place, limits = core.limits } = submission
  const quoted = quote(core, { ...submission, images: submission.images.length })
  const userId = account ?? (await askerOf(core, submission))
  const { inFlight, perMinute, fixed } = limits
  const member = 'id' in from ? from.id : undefined
  return { userId, payer, surface, place, member, ...quoted, inFlight, perMinute, fixed }
}

/** Pictures are read before the accepting statement, and the rules are checked before that. */
async function askerOf(core: Core, { from, images }: Pick<Submission, 'from' | 'images'>): Promise<string> {
  if ('id' in from) return accountOf(core, from)
  return images.length > 0 ? currentAccount(core, from.userId) : from.userId
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

/**
 * Reading pictures costs us something before the request is paid for: pictures of a refused request are not loaded, an account
 * loads only so many at a time, and a request whose pictures are bad counts in the account's pace.
 */
async function loadInputs(core: Core, candidate: Candidate, { key, images, mask }: Submission): Promise<InputFiles> {
  if (images.length === 0) return { inputs: [] }
  return withReservation(core, candidate, async (reservation) => {
    const { error } = await judged(core, candidate)
    // a repeated call is not refused for what its first delivery did
    if (error && !(await acceptedBefore(core, key))) throw error
    try {
      const files = await readWithMask(core, reservation, { images, mask })
      checkMaskSize(files)
      return files
    } catch (error) {
      await slowDown(core, candidate.userId, candidate)
      throw error
    }
  })
}

/** Throws AppError mask_size. */
function checkMaskSize({ inputs: [picture], mask }: InputFiles): void {
  if (!picture || !mask || (mask.width === picture.width && mask.height === picture.height)) return
  const [size, expected] = [mask, picture].map(({ width, height }) => `${width}×${height}`)
  throw new AppError('mask_size', { size, expected })
}

/** Whether a request that was accepted before still waits for these pictures: the process that had them may have died. */
async function lacksInputs(core: Core, id: string, objects: readonly InputObject[]): Promise<boolean> {
  const files = objects.map(({ key, file }) => ({ key, bytes: file.data.length }))
  const waiting = await core.database.rows(sql`
    select g.id from generations g
    where g.id = ${id}::uuid and g.state = 'queued' and g.attempt = 0
      and g.wake_at > now() + ${`${wakeAfterMs} milliseconds`}::interval
      and (select count(*) from images i
        join jsonb_to_recordset(${JSON.stringify(files)}::jsonb) as f(key text, bytes int) on f.key = i.key and f.bytes = i.bytes
        where i.generation_id = g.id and i.role in ('input', 'mask')) = ${files.length}::int`)
  return waiting.length > 0
}

const stateColumns = columnsOf({ state: generations.state })

/**
 * Runs after acceptance, so that nothing is stored for a refused request. A crash in between is made good when the act is handled
 * again; if it is not, or the store is away, the request ends as 'input_lost' with a refund.
 */
async function storeInputs(core: Core, id: string, objects: readonly InputObject[]): Promise<void> {
  try {
    await Promise.all(objects.map(({ key, file }) => core.store.put(key, file.data, file.type)))
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
  if (ended) await Promise.all(objects.map(({ key }) => core.store.delete(key)))
}
