/** The generation row as workers use it, and the steps that change it. Each step is one fenced statement. */
import { type SQL, sql } from 'drizzle-orm'
import { inBatches, rowsOfCalls } from '../../db/batches.ts'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import type { Json } from '../../db/json.ts'
import { generations } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'
import type { AppError, ErrorData, ErrorKind } from '../errors.ts'
import { insertPictures, type StoredPicture } from '../media/image-rows.ts'
import type { Address, Posted } from '../ports/chat.ts'
import type { Note, PictureRequest, Quote, Route } from '../ports/models.ts'
import type { Job } from '../ports/queue.ts'
import { deadlineMsIn } from '../providers/deadline.ts'

/** A route given up before; its provider is known not to have run the request. */
export interface TriedRoute {
  provider: string
  endpoint: string
  error: ErrorKind
}

/** Milliseconds are those of the database's clock, measured when the row was read. */
export const generationColumns = columnsOf({
  id: generations.id,
  userId: generations.userId,
  state: generations.state,
  surface: generations.surface,
  requestId: generations.requestId,
  traceparent: generations.traceparent,
  address: typed<Address>(generations.address),
  posted: typed<Posted | null>(generations.posted),
  locale: generations.locale,
  model: generations.model,
  provider: generations.provider,
  endpoint: generations.endpoint,
  request: typed<PictureRequest>(generations.request),
  private: generations.private,
  drawId: generations.drawId,
  original: generations.original,
  price: generations.price,
  quote: typed<Quote | null>(generations.quote),
  priority: generations.priority,
  /** The fence. */
  attempt: generations.attempt,
  searches: generations.searches,
  ticket: generations.ticket,
  webhookMessage: generations.webhookMessage,
  tried: typed<TriedRoute[]>(generations.tried),
  enhanced: generations.enhanced,
  notes: typed<readonly Note[] | null>(generations.notes),
  seed: generations.seed,
  error: typed<ErrorKind | null>(generations.error),
  errorData: typed<ErrorData | null>(generations.errorData),
  parentId: generations.parentId,
  deliveryTries: generations.deliveryTries,
  /** Until the deadline; negative once past it. */
  leftMs: typed<number>(sql`(extract(epoch from generations.deadline_at - now()) * 1000)::float8`),
  /** Since acceptance. */
  ageMs: typed<number>(sql`(extract(epoch from now() - generations.created_at) * 1000)::float8`),
  /** From the first attempt to stored, or to now. */
  runMs: typed<number>(
    sql`(extract(epoch from coalesce(generations.stored_at, now()) - generations.started_at) * 1000)::float8`,
  ),
  /** A submission of an earlier attempt may have reached the provider. */
  submittedBefore: typed<boolean>(sql`before.submit_at is not null`),
  /** The intent that the take-up has saved, until a submission uses it. */
  intent: typed<string | null>(sql`case when before.ready then generations.submit_at::text end`),
  /** When the intent of the latest submission was saved. It identifies the submission. */
  submitAt: typed<string | null>(sql`before.submit_at::text`),
  /** Milliseconds for which an edit that shows its place may still be under way (place-edits.ts); 0 without one. */
  editingMs: typed<number>(
    sql`greatest(0, coalesce(extract(epoch from generations.editing_until - now()) * 1000, 0))::float8`,
  ),
  submittedMs: typed<number>(sql`coalesce(extract(epoch from now() - before.submit_at) * 1000, 0)::float8`),
})

export type Generation = NonNullable<(typeof generationColumns)['row']> & {
  /** This process's clock when it read the row. */
  takenAt: number
}

/** Milliseconds since the last submission. */
export const submittedSince = ({ submittedMs, takenAt }: Pick<Generation, 'submittedMs' | 'takenAt'>) =>
  submittedMs + Date.now() - takenAt

/** Seconds since acceptance. */
export const ageOf = ({ ageMs, takenAt }: Pick<Generation, 'ageMs' | 'takenAt'>) =>
  (ageMs + Date.now() - takenAt) / 1000

/** How long a silent worker keeps a generation. Together with BullMQ's own lock this bounds the restart after a kill. */
export const leaseMs = 4_000
/** When the sweeper takes over a lease that ran out, of a row that the queue has forgotten too. */
export const wakeMs = leaseMs + 1_000

export const milliseconds = (ms: number) => sql`${`${Math.round(ms)} milliseconds`}::interval`

/** When the sweeper looks at a row that the queue runs again in `ms`. A pause never outlasts the deadline. */
const wakeIn = (ms: number) =>
  sql`least(now() + ${milliseconds(ms)}, greatest(now(), deadline_at)) + ${milliseconds(leaseMs)}`

/** With less time left the picture would arrive too late, and be paid for. */
export const minLeftMs = 5_000

/** The fence: true only while this attempt is the latest and the generation has not ended. */
export const isOurs = ({ id, attempt }: Fence) =>
  sql`id = ${id} and attempt = ${attempt} and state in ('queued','running','stored')`

export type Fence = Pick<Generation, 'id' | 'attempt'>

/** Resolves to false when another worker has taken the row since, or it has ended: then nothing changed. */
async function change(core: Core, fence: Fence, set: SQL): Promise<boolean> {
  const rows = await core.database.rows(sql`update generations set ${set} where ${isOurs(fence)} returning id`)
  return rows.length > 0
}

/** As `change`, and only while no late answer has come since this worker read the row. */
async function changeUnanswered(core: Core, generation: Generation, set: SQL): Promise<boolean> {
  const rows = await core.database.rows(sql`
    update generations set ${set} where ${isOurs(generation)} and ${hasNoNews(generation)} returning id`)
  return rows.length > 0
}

/** The intent, right before a submission: from here on the provider may have received it. */
export async function saveIntent(core: Core, generation: Generation): Promise<boolean> {
  const { intent } = generation
  generation.intent = null
  if (intent !== null) {
    generation.submitAt = intent
    return true
  }
  // unchecked row: an expression, no column
  const [row] = await core.database.rows<{ submitAt: string }>(sql`
    update generations set submit_at = now() where ${isOurs(generation)} and ${hasNoNews(generation)}
    returning submit_at::text as "submitAt"`)
  if (!row) return false
  generation.submitAt = row.submitAt
  generation.submittedMs = generation.takenAt - Date.now()
  return true
}

/** Whether no late answer (`adoptTicket`, `saveStored`) was saved since this worker read the row. */
const hasNoNews = ({ ticket }: Pick<Generation, 'ticket'>) =>
  sql`state in ('queued','running') and (ticket is null or ${ticket !== null}::bool)`

/** Matches an open row that still waits for this submission, also if another worker owns the row now. */
const answersSubmission = ({ id, submitAt }: Pick<Generation, 'id' | 'submitAt'>) =>
  sql`id = ${id} and submit_at = ${submitAt}::timestamptz and state = 'running' and error is null`

export const saveTicket = (core: Core, fence: Fence, ticket: Json) =>
  change(core, fence, sql`ticket = ${JSON.stringify(ticket)}::jsonb`)

/** Saves a ticket that arrived after this worker lost the row. undefined: the row has ended or has a ticket already. */
export async function adoptTicket(core: Core, generation: Generation, ticket: Json): Promise<Job | undefined> {
  const [job] = await readRows(
    core.database,
    jobColumns,
    (list) => sql`
      update generations set ticket = ${JSON.stringify(ticket)}::jsonb, ${wakeUnheld}
      where ${answersSubmission(generation)} and (ticket is null or ticket = ${JSON.stringify(ticket)}::jsonb)
      returning ${list}`,
  )
  return job && { ...job, resumed: true }
}

/** Lets the sweeper wake the row if no worker has it. */
export const wakeUnheld = sql`wake_at = case when lease_until is null then now() else wake_at end`

export const jobColumns = columnsOf(
  { id: generations.id, lane: generations.provider, priority: generations.priority },
  '',
)

/**
 * Lets go of a row whose submission was not answered. Resolves to the milliseconds until the next look: none if news have
 * come since this worker read the row.
 */
export async function awaitNews(core: Core, generation: Generation, retryInMs: number): Promise<number> {
  const { webhookMessage } = generation
  // unchecked row: an expression, no column
  const [row] = await core.database.rows<{ news: boolean }>(sql`
    update generations set searches = searches + 1, lease_until = null, wake_at = ${wakeIn(retryInMs)}
    where ${isOurs(generation)}
    returning (not (${hasNoNews(generation)}) or (webhook_message is not null) <> ${webhookMessage !== null}::bool) as news`)
  return row && !row.news ? retryInMs : 1
}

/** Its message shows progress by now, so the place has to be shown again. */
const restarted = sql`state = 'queued', submit_at = null, ticket = null, webhook_message = null, lease_until = null,
  narrated_place = null`

/** Back to the queue, to be submitted again: the provider is known not to have run it. */
export const backToQueue = (core: Core, generation: Generation, waitMs: number) =>
  changeUnanswered(core, generation, sql`${restarted}, wake_at = ${wakeIn(waitMs)}`)

type NextRoute = Pick<Route, 'provider' | 'endpoint'> & { tried: readonly TriedRoute[] }

/** Back to the queue, to be submitted to another provider. */
export const moveToRoute = (core: Core, generation: Generation, { provider, endpoint, tried }: NextRoute) =>
  changeUnanswered(
    core,
    generation,
    sql`${restarted}, provider = ${provider}, endpoint = ${endpoint}, tried = ${JSON.stringify(tried)}::jsonb,
      deadline_at = greatest(deadline_at, created_at + ${milliseconds(deadlineMsIn(core, provider))}), wake_at = ${wakeIn(0)}`,
  )

export const saveEnhanced = (core: Core, generation: Fence & Pick<Generation, 'enhanced' | 'notes'>) =>
  change(core, generation, sql`enhanced = ${generation.enhanced}, notes = ${jsonOf(generation.notes)}`)

/** Any worker may take it, and the queue runs it again in `waitMs`. An intent that was not used is taken back. */
export const letGo = (core: Core, generation: Fence & Pick<Generation, 'intent'>, waitMs: number) =>
  change(
    core,
    generation,
    sql`lease_until = null, wake_at = ${wakeIn(waitMs)}, submit_at = case when ${generation.intent === null}::bool then submit_at end`,
  )

/** The decision that it has failed. Any process may then say so and settle (deliver.ts). */
export const saveFailure = (core: Core, generation: Generation, { kind, data }: Pick<AppError, 'kind' | 'data'>) =>
  changeUnanswered(core, generation, sql`error = ${kind}, error_data = ${JSON.stringify(data)}::jsonb`)

interface DeliveryTry {
  /** Capped already (deliver.ts). It may pass the deadline by the time that the last try of a chat gets. */
  waitMs: number
  /** The chat asked to come again: that is no failure. */
  isPutOff?: boolean
}

export const saveDeliveryTry = (core: Core, fence: Fence, { waitMs, isPutOff = false }: DeliveryTry) =>
  change(
    core,
    fence,
    sql`delivery_tries = delivery_tries + ${isPutOff ? 0 : 1}::int, lease_until = null,
      wake_at = now() + ${milliseconds(waitMs + leaseMs)}`,
  )

/** What is saved of the work with its pictures. */
export const workOf = ({ seed, notes, ticket }: Pick<Generation, 'seed' | 'notes' | 'ticket'>) => ({
  seed,
  // without the property the column is null; a null in json may stay json
  notes: notes ?? undefined,
  ticket: ticket || undefined,
})

/** Columns of `workOf`. */
export const workColumns = sql`seed text, notes jsonb, ticket jsonb, pictures jsonb`

/** Of a statement with the calls under that name. */
export const setWork = sql`seed = calls.seed, notes = calls.notes, ticket = coalesce(calls.ticket, generations.ticket)`

interface Stored extends ReturnType<typeof workOf> {
  id: string
  attempt: number
  submitAt: string | null
  pictures: readonly StoredPicture[]
}

export interface SavedRow {
  id: string
  /** The attempt number of the row. */
  attempt: number
  /** Of the person, or of the account that theirs was joined with, without what is on hold. */
  balance: number
}

/** Resolves to undefined if it was not stored. */
const store = inBatches<Core, Stored, SavedRow | undefined>({
  keyOf: ({ id }) => id,
  async run(core, calls) {
    const columns = sql`id uuid, attempt int, "submitAt" timestamptz, ${workColumns}`
    // unchecked row: the columns belong to the statement's own table
    const rows = await core.database.rows<SavedRow>(sql`
      with calls as (${rowsOfCalls(calls, columns)}),
      stored as (
        update generations set state = 'stored', stored_at = now(), ${setWork}, ${wakeUnheld} from calls
        where generations.id = calls.id and state = 'running' and error is null
          and (generations.attempt = calls.attempt or (submit_at = calls."submitAt" and generations.ticket is null))
        returning generations.id, generations.attempt, generations.user_id, calls.pictures),
      pictures as (${insertPictures(sql`stored`)})
      select stored.id, attempt, account.balance from stored join users person on person.id = user_id
        join users account on account.id = coalesce(person.joined_into, person.id)`)
    return calls.map(({ id }) => rows.find((row) => row.id === id))
  },
})

/**
 * running → stored, with the rows of its pictures. A row with another attempt number was lost by this worker, and its owner delivers
 * them. undefined: the row has no use for them.
 */
export function saveStored(core: Core, generation: Generation, pictures: readonly StoredPicture[]) {
  const { id, attempt, submitAt } = generation
  return store(core, { id, attempt, submitAt, pictures, ...workOf(generation) })
}

const jsonOf = (value: unknown) => sql`${value ? JSON.stringify(value) : null}::jsonb`
