/** The last step of a generation: state and money in one statement, so that they never disagree. */
import { sql } from 'drizzle-orm'
import { inBatches, rowsOfCalls } from '../../db/batches.ts'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { generations } from '../../db/schema/generations.ts'
import { type ActOnRequest, auditedOn } from '../accounts/audit.ts'
import { resolution } from '../billing/ledger.ts'
import type { Core } from '../core.ts'
import type { AppError, ErrorKind } from '../errors.ts'
import { notify } from '../events/events.ts'
import { asOutcome, type Outcome, type OutcomeRow, outcomeColumns } from '../history/outcome-columns.ts'
import { deleteNoted, noteDeletion } from '../media/deletions.ts'
import { insertPictures, type StoredPicture } from '../media/image-rows.ts'
import type { Posted } from '../ports/chat.ts'
import type { HowEnded } from '../ports/meter.ts'
import type { PictureRequest } from '../ports/models.ts'
import type { Quoted } from './result-buttons.ts'
import { ageOf, type Generation, setWork, workColumns, workOf } from './row.ts'

/** Notified when a row of api_webhooks is due. */
export const webhooksChannel = 'fluxbot_webhooks'

/** A worker that stores pictures of a cancelled request has stopped after this time. */
const settleMs = 120_000

interface Shown {
  posted: Posted
  /** Prices that its buttons show. */
  quoted: Quoted
  /** What the provider charges us, in millionths of a US dollar. null: not known. */
  costMicros: number | null
}

interface Delivered extends Shown {
  id: string
  attempt: number
  isPooled: boolean
}

/** Resolves to the credits that it costs, or undefined if it was not ended. */
const deliverStored = inBatches<Core, Delivered, number | undefined>({
  keyOf: ({ id }) => id,
  isAlone: ({ isPooled }) => isPooled,
  async run(core, calls) {
    const columns = sql`id uuid, attempt int, posted text, quoted jsonb, "costMicros" bigint`
    // unchecked row: expressions over the statement's own tables
    const rows = await core.database.rows<{ id: string; credits: number }>(sql`
      with calls as (${rowsOfCalls(calls, columns)}),
      ended as (
        update generations set state = 'delivered', ended_at = now(), lease_until = null, posted = calls.posted,
          cost_micros = calls."costMicros", quoted = coalesce(generations.quoted, '{}') || calls.quoted
        from calls where generations.id = calls.id and generations.attempt = calls.attempt and state = 'stored'
        returning generations.*),
      entry as (${resolution(sql`ended`, 'capture')} returning generation_id, amount),
      ${invited},
      ${aftermath}
      select id, price - amount as credits, ${wakeWebhooks}, ${wakeWatchers} from ended join entry on generation_id = id`)
    return calls.map(({ id }) => rows.find((row) => row.id === id)?.credits)
  },
})

/** stored → delivered, charged for the pictures that arrived. Resolves to false when another worker was first. */
export async function endDelivered(core: Core, generation: Generation, shown: Shown): Promise<boolean> {
  const { id, attempt, drawId } = generation
  const credits = await deliverStored(core, { id, attempt, isPooled: drawId !== null, ...shown })
  if (credits === undefined) return false
  report(core, generation, { state: 'delivered', credits })
  return true
}

interface Drawn {
  pictures: readonly StoredPicture[]
  /** See `Shown`. */
  costMicros: number | null
}

/**
 * running → delivered, with the rows of its pictures, charged for them: for surfaces where nothing is posted. Resolves to false when the
 * row is no longer this worker's, or has ended.
 */
export async function endDrawn(core: Core, generation: Generation, drawing: Drawn): Promise<boolean> {
  let credits: number | undefined
  await core.events.endHere(generation.id, async () => {
    const written = await writeDrawn(core, generation, drawing)
    credits = written?.outcome.credits
    // those who wait for an erased request read that it is gone
    return written?.isErased ? undefined : written?.outcome
  })
  if (credits === undefined) return false
  report(core, generation, { state: 'delivered', credits })
  return true
}

interface Written {
  outcome: Outcome
  isErased: boolean
}

function writeDrawn(core: Core, generation: Generation, { pictures, costMicros }: Drawn): Promise<Written | undefined> {
  const { id, attempt, drawId } = generation
  return deliverDrawn(core, { id, attempt, isPooled: drawId !== null, costMicros, pictures, ...workOf(generation) })
}

interface DrawnCall extends Drawn, ReturnType<typeof workOf> {
  id: string
  attempt: number
  isPooled: boolean
}

const arrived = sql`select count(*)::int from jsonb_array_elements(e.pictures) p where p->>'role' = 'output'`

const deliverDrawn = inBatches<Core, DrawnCall, Written | undefined>({
  keyOf: ({ id }) => id,
  isAlone: ({ isPooled }) => isPooled,
  async run(core, calls) {
    const columns = sql`id uuid, attempt int, "costMicros" bigint, ${workColumns}`
    // unchecked row: expressions over the statement's own tables
    const rows = await core.database.rows<OutcomeRow & { charged: number; isErased: boolean }>(sql`
      with calls as (${rowsOfCalls(calls, columns)}),
      ended as (
        update generations set state = 'delivered', stored_at = now(), ended_at = now(), lease_until = null,
          ${setWork}, cost_micros = calls."costMicros", quoted = coalesce(quoted, '{}')
        from calls where generations.id = calls.id and generations.attempt = calls.attempt and state = 'running' and error is null
        returning generations.*, calls.pictures),
      pictures as (${insertPictures(sql`ended`)}),
      entry as (${resolution(sql`ended`, 'capture', arrived)} returning generation_id, amount),
      ${invited},
      ${aftermath}
      select ${outcomeColumns.list}, price - amount as charged,
        generations.erased_at is not null as "isErased", ${wakeWebhooks}, ${wakeWatchers}
      from ended generations join entry on entry.generation_id = generations.id left join api_progress on false`)
    return calls.map(({ id, pictures }) => {
      const row = rows.find((each) => each.id === id)
      return row && asWritten(row, pictures)
    })
  },
})

function asWritten(
  { charged, isErased, ...columns }: OutcomeRow & { charged: number; isErased: boolean },
  pictures: readonly StoredPicture[],
): Written {
  // the statement does not see what it inserts itself
  const shown = pictures
    .filter(({ role }) => role === 'output')
    .map(({ key, type, width, height, bytes }) => ({ key, type, width, height, bytes }))
  return { outcome: asOutcome({ ...columns, credits: charged, pictures: shown }, null), isErased }
}

/** Unfinished → failed and refunded; its objects leave the store. Resolves to false when another worker was first. */
export async function endFailed(core: Core, generation: Generation, error: ErrorKind): Promise<boolean> {
  const rows = await core.database.rows(sql`
    with ended as (
      update generations set state = 'failed', error = coalesce(error, ${error}), ended_at = now(), lease_until = null
      where id = ${generation.id} and attempt = ${generation.attempt} and state in ('queued','running','stored')
      returning *, (request->>'count')::int as pictures),
    deletion as (${noteDeletion(sql`ended`, 0)}),
    entry as (${resolution(sql`ended`, 'release')}),
    ${aftermath}
    select id, ${wakeWebhooks}, ${wakeWatchers} from ended`)
  if (rows.length === 0) return false
  report(core, generation, { state: 'failed', error, credits: 0 })
  await deleteNoted(core, { id: generation.id, pictures: generation.request.count })
  return true
}

const cancelledColumns = columnsOf(
  {
    id: generations.id,
    surface: generations.surface,
    posted: typed<Posted | null>(generations.posted),
    locale: generations.locale,
    request: typed<PictureRequest>(generations.request),
    price: generations.price,
    model: generations.model,
    provider: generations.provider,
    ticket: generations.ticket,
    requestId: generations.requestId,
    /** Since acceptance. */
    ageMs: typed<number>(sql`(extract(epoch from now() - ended.created_at) * 1000)::float8`),
  },
  'ended',
)

export type Cancelled = NonNullable<(typeof cancelledColumns)['row']>

interface Cancelling {
  userId: string | null
  id: string
  by?: string
  why?: AppError
  unstarted?: boolean
  /** An administrator who cancels it. */
  act?: ActOnRequest
}

/** Of a row that has ended: a request that a worker put back counts as running. */
const wasOpen = sql`jsonb_build_object('state', case when attempt = 0 then 'queued' else 'running' end)`

/**
 * Queued or running → cancelled and refunded, whichever worker has it. undefined: its pictures are stored, its failure is
 * decided, it has ended, or it is not this account's. `userId` null: of any account. `by`: key of the
 * call that cancels it. `why`: the error that the person sees; absent: that it was cancelled. `unstarted`: only while no worker has taken it
 * up.
 */
export async function endCancelled(
  core: Core,
  { userId, id, by, why, unstarted = false, act }: Cancelling,
): Promise<Cancelled | undefined> {
  const data = why?.data ?? (by === undefined ? undefined : { by })
  const [cancelled] = await readRows(
    core.database,
    cancelledColumns,
    (list) => sql`
      with ended as (
        update generations set state = 'cancelled', error = ${why?.kind ?? 'cancelled'}, ended_at = now(), lease_until = null,
          error_data = ${data === undefined ? null : JSON.stringify(data)}::jsonb
        where id = ${id}::uuid and (${userId}::uuid is null or user_id = ${userId}::uuid)
          and state in ('queued','running') and error is null
          and (not ${unstarted}::bool or (state = 'queued' and attempt = 0))
        returning *, (request->>'count')::int as pictures),
      acted as (${auditedOn(sql`ended`, { act, action: 'cancel', target: id }, { before: wasOpen, after: { state: 'cancelled' } })}),
      deletion as (${noteDeletion(sql`ended`, settleMs)}),
      entry as (${resolution(sql`ended`, 'release')}),
      ${aftermath}
      select ${list}, ${wakeWebhooks}, ${notify('ended', sql`id`)} from ended`,
  )
  if (!cancelled) return undefined
  report(core, { ...cancelled, takenAt: Date.now() }, { state: 'cancelled', credits: 0 })
  // a worker may be storing pictures or inputs of it right now: the sweeper deletes again after `settleMs`
  await deleteNoted(core, { id, pictures: cancelled.request.count })
  return cancelled
}

type Ended = Pick<Generation, 'id' | 'requestId' | 'surface' | 'provider' | 'model' | 'ageMs' | 'takenAt'>

function report(core: Core, generation: Ended, { credits, ...how }: HowEnded & { credits: number }): void {
  const { id, requestId, surface, model, provider } = generation
  const seconds = ageOf(generation)
  core.meter?.ended(generation, how, how.state === 'cancelled' ? undefined : seconds)
  core.log.info(
    {
      id,
      requestId: requestId ?? undefined,
      surface,
      model,
      provider,
      ...how,
      seconds: Math.round(seconds * 100) / 100,
      credits,
    },
    'a request has ended',
  )
}

/** An invited person got the first picture. */
const invited = sql`
    invited as (
      update referrals set picture_at = now() from ended
      where referrals.user_id = ended.user_id and referrals.picture_at is null)`

/** In every statement that ends generations: progress goes, and its webhook becomes due, so that none is forgotten. */
const aftermath = sql`
    progress as (delete from api_progress where generation_id in (select id from ended)),
    webhook as (
      insert into api_webhooks (generation_id, url) select id, webhook_url from ended where webhook_url is not null
      on conflict (generation_id) do nothing)`

const wakeWebhooks = sql`case when webhook_url is not null then pg_notify(${webhooksChannel}, '') end as webhooks`

const wakeWatchers = sql`case when watched then ${notify('ended', sql`id`)} end as watchers`
