/** The generation row as workers use it, and the steps that change it. Each step is one fenced statement. */
import { eq, type SQL, sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import type { Json } from '../../db/json.ts'
import { generations } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'
import type { ErrorData, ErrorKind } from '../errors.ts'
import type { Address, Posted } from '../ports/chat.ts'
import type { Note, PictureRequest, Route } from '../ports/models.ts'

/** A route given up before; its provider is known not to have run the request. */
export interface TriedRoute {
  provider: string
  endpoint: string
  error: ErrorKind
}

/** Milliseconds are those of the database's clock, measured when the row was read. */
const columns = columnsOf({
  id: generations.id,
  userId: generations.userId,
  state: generations.state,
  surface: generations.surface,
  address: typed<Address>(generations.address),
  posted: typed<Posted | null>(generations.posted),
  locale: generations.locale,
  model: generations.model,
  provider: generations.provider,
  endpoint: generations.endpoint,
  request: typed<PictureRequest>(generations.request),
  price: generations.price,
  priority: generations.priority,
  /** The fence. */
  attempt: generations.attempt,
  ticket: generations.ticket,
  webhookMessage: generations.webhookMessage,
  tried: typed<TriedRoute[]>(generations.tried),
  enhanced: generations.enhanced,
  notes: typed<readonly Note[] | null>(generations.notes),
  seed: generations.seed,
  error: typed<ErrorKind | null>(generations.error),
  errorData: typed<ErrorData | null>(generations.errorData),
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
  /** Since that submission; 0 without one. */
  submittedMs: typed<number>(sql`coalesce(extract(epoch from now() - before.submit_at) * 1000, 0)::float8`),
})

export type Generation = NonNullable<(typeof columns)['row']> & {
  /** This process's clock when it read the row. */
  takenAt: number
}

/** Seconds since acceptance. */
export const ageOf = ({ ageMs, takenAt }: Pick<Generation, 'ageMs' | 'takenAt'>) =>
  (ageMs + Date.now() - takenAt) / 1000

/** How long a silent worker keeps a generation. Together with BullMQ's own lock this bounds the restart after a kill. */
export const leaseMs = 4_000
/** When the sweeper takes over a lease that ran out, of a row that the queue has forgotten too. */
const wakeMs = leaseMs + 1_000

const milliseconds = (ms: number) => sql`${`${Math.round(ms)} milliseconds`}::interval`

/** Takes the generation for this worker, with a new attempt number as its fence. 'over': it has ended. */
export async function takeUp(core: Core, id: string): Promise<Generation | 'over' | { retryInMs: number }> {
  const [row] = await readRows(
    core.database,
    columns,
    (list) => sql`
      with before as (
        select id, submit_at from generations
        where id = ${id} and state in ('queued','running','stored') and (lease_until is null or lease_until <= now())
        for update)
      update generations set attempt = attempt + 1, state = case state when 'queued' then 'running' else state end,
        started_at = coalesce(started_at, now()),
        lease_until = now() + ${milliseconds(leaseMs)}, wake_at = now() + ${milliseconds(wakeMs)}
      from before where generations.id = before.id
      returning ${list}`,
  )
  if (row) return { ...row, takenAt: Date.now() }
  // unchecked row: an expression, no column
  const [other] = await core.database.rows<{ waitMs: number }>(sql`
    select greatest(50, (extract(epoch from lease_until - now()) * 1000))::float8 as "waitMs" from generations
    where id = ${id} and state in ('queued','running','stored')`)
  return other ? { retryInMs: Math.ceil(Number(other.waitMs)) } : 'over'
}

/** The fence: true only while this attempt is the latest and the generation has not ended. */
const isOurs = ({ id, attempt }: Fence) =>
  sql`id = ${id} and attempt = ${attempt} and state in ('queued','running','stored')`

type Fence = Pick<Generation, 'id' | 'attempt'>

/** Resolves to false when another worker has taken the row since, or it has ended: then nothing changed. */
async function change(core: Core, fence: Fence, set: SQL): Promise<boolean> {
  const rows = await core.database.rows(sql`update generations set ${set} where ${isOurs(fence)} returning id`)
  return rows.length > 0
}

/** The intent, right before a submission: from here on the provider may have received it. */
export const saveIntent = (core: Core, fence: Fence) => change(core, fence, sql`submit_at = now()`)

export const saveTicket = (core: Core, fence: Fence, ticket: Json) =>
  change(core, fence, sql`ticket = ${JSON.stringify(ticket)}::jsonb`)

/** Resolves to the state, which may be over already: then the message that was just posted is out of date. */
export async function savePosted(core: Core, id: string, posted: Posted): Promise<Generation['state'] | undefined> {
  const [row] = await core.database.db
    .update(generations)
    .set({ posted })
    .where(eq(generations.id, id))
    .returning({ state: generations.state })
  return row?.state
}

const restarted = sql`state = 'queued', submit_at = null, ticket = null, webhook_message = null, lease_until = null`

/** Back to the queue, to be submitted again: the provider is known not to have run it. */
export const backToQueue = (core: Core, fence: Fence, waitMs: number) =>
  change(core, fence, sql`${restarted}, wake_at = now() + ${milliseconds(waitMs + leaseMs)}`)

interface NextRoute extends Pick<Route, 'provider' | 'endpoint'> {
  tried: readonly TriedRoute[]
}

/** Back to the queue, to be submitted to another provider. */
export const moveToRoute = (core: Core, fence: Fence, { provider, endpoint, tried }: NextRoute) =>
  change(
    core,
    fence,
    sql`${restarted}, provider = ${provider}, endpoint = ${endpoint}, tried = ${JSON.stringify(tried)}::jsonb,
      wake_at = now() + ${milliseconds(leaseMs)}`,
  )

export const saveEnhanced = (core: Core, generation: Fence & Pick<Generation, 'enhanced' | 'notes'>) =>
  change(core, generation, sql`enhanced = ${generation.enhanced}, notes = ${jsonOf(generation.notes)}`)

/** Another worker may take it at once. */
export const letGo = (core: Core, fence: Fence) => change(core, fence, sql`lease_until = null`)

/** The decision that it has failed. Any process may then say so and settle (deliver.ts). */
export const saveFailure = (core: Core, fence: Fence, kind: ErrorKind, data: ErrorData) =>
  change(core, fence, sql`error = ${kind}, error_data = ${JSON.stringify(data)}::jsonb`)

export const saveDeliveryTry = (core: Core, fence: Fence, waitMs: number) =>
  change(
    core,
    fence,
    sql`delivery_tries = delivery_tries + 1, lease_until = null, wake_at = now() + ${milliseconds(waitMs + leaseMs)}`,
  )

export interface StoredPicture {
  key: string
  role: 'output' | 'thumbnail'
  position: number
  type: string
  width: number
  height: number
  bytes: number
}

/** running → stored, with the rows of its pictures. */
export async function saveStored(core: Core, generation: Generation, pictures: StoredPicture[]): Promise<boolean> {
  const rows = await core.database.rows(sql`
    with stored as (
      update generations set state = 'stored', stored_at = now(), seed = ${generation.seed},
        notes = ${jsonOf(generation.notes)}
      where ${isOurs(generation)} and state = 'running' and error is null returning id)
    insert into images (key, generation_id, role, position, type, width, height, bytes)
    select p.key, stored.id, p.role, p.position, p.type, p.width, p.height, p.bytes
    from stored, jsonb_to_recordset(${JSON.stringify(pictures)}::jsonb)
      as p(key text, role text, position int, type text, width int, height int, bytes int)
    returning key`)
  return rows.length > 0
}

/** Renews the leases of everything this process works on; resolves to the ids that it still has. */
export async function renewLeases(core: Core, held: readonly Fence[]): Promise<string[]> {
  const rows = await readRows(
    core.database,
    columnsOf({ id: generations.id }, 'g'),
    (list) => sql`
    update generations g set lease_until = now() + ${milliseconds(leaseMs)}, wake_at = now() + ${milliseconds(wakeMs)}
    from jsonb_to_recordset(${JSON.stringify(held)}::jsonb) as h(id uuid, attempt int)
    where g.id = h.id and g.attempt = h.attempt and g.state in ('queued','running','stored') returning ${list}`,
  )
  return rows.map(({ id }) => id)
}

const jsonOf = (value: unknown) => sql`${value ? JSON.stringify(value) : null}::jsonb`
