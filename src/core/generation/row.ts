/** The generation row as workers read it, and the steps that change it. Each step is one fenced statement. */
import { type SQL, sql } from 'drizzle-orm'
import type { Json } from '../../db/json.ts'
import type { GenerationState, TriedRoute } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'
import type { ErrorData, ErrorKind } from '../errors.ts'
import type { Address, Locale, Posted } from '../ports/chat.ts'
import type { Note, PictureRequest, Route } from '../ports/models.ts'

export interface Generation {
  id: string
  userId: string
  state: GenerationState
  address: Address
  posted: Posted | null
  locale: Locale
  model: string
  provider: string
  endpoint: string
  request: PictureRequest
  price: number
  priority: number
  attempt: number
  /** A start may have reached the provider in an earlier attempt. */
  submittedBefore: boolean
  /** Milliseconds since that was intended; 0: never before. */
  askedMs: number
  ticket: Json | null
  /** What the provider told our webhook. */
  webhookMessage: Json | null
  tried: TriedRoute[]
  /** The prompt that is sent, where it is not the person's own. */
  enhanced: string | null
  notes: readonly Note[] | null
  seed: string | null
  error: ErrorKind | null
  errorData: ErrorData | null
  deliveryTries: number
  /** Milliseconds until it must have ended; below 0 when that is past. */
  leftMs: number
  /** Milliseconds since it was accepted, and from first taken up to stored, or to now. */
  ageMs: number
  runMs: number
  /** This process's clock when it took it up. */
  takenAt: number
}

/** How long a worker that says nothing keeps a generation. With BullMQ's own lock this bounds a restart after a kill. */
export const leaseMs = 4_000
/** A lease that ran out, of a row that the queue has forgotten as well: the sweeper's from then on. */
const wakeMs = leaseMs + 1_000

const columns = (
  generation: SQL,
) => sql`${generation}.id, ${generation}.user_id as "userId", ${generation}.state, ${generation}.address, ${generation}.posted, ${generation}.locale,
  ${generation}.model, ${generation}.provider, ${generation}.endpoint, ${generation}.request, ${generation}.price, ${generation}.priority, ${generation}.attempt, ${generation}.ticket, ${generation}.told,
  ${generation}.tried, ${generation}.enhanced, ${generation}.notes, ${generation}.seed, ${generation}.error, ${generation}.error_data as "errorData", ${generation}.delivery_tries as "deliveryTries",
  (extract(epoch from ${generation}.deadline_at - now()) * 1000)::float8 as "leftMs",
  (extract(epoch from now() - ${generation}.created_at) * 1000)::float8 as "ageMs",
  (extract(epoch from coalesce(${generation}.stored_at, now()) - ${generation}.started_at) * 1000)::float8 as "runMs"`

/** Makes this worker the one that works on it: the attempt it gets is its fence. */
export async function takeUp(core: Core, id: string): Promise<Generation | 'over' | { retryInMs: number }> {
  const [row] = await core.database.rows<Generation>(sql`
    with before as (
      select id, submit_at from generations
      where id = ${id} and state in ('queued','running','stored') and (lease_until is null or lease_until <= now())
      for update)
    update generations g set attempt = attempt + 1, state = case g.state when 'queued' then 'running' else g.state end,
      started_at = coalesce(started_at, now()),
      lease_until = now() + ${`${leaseMs} milliseconds`}::interval, wake_at = now() + ${`${wakeMs} milliseconds`}::interval
    from before where g.id = before.id
    returning ${columns(sql`g`)}, before.submit_at is not null as "submittedBefore",
      coalesce(extract(epoch from now() - before.submit_at) * 1000, 0)::float8 as "askedMs"`)
  if (row) return { ...row, takenAt: Date.now() }
  const [other] = await core.database.rows<{ waitMs: number }>(sql`
    select greatest(50, (extract(epoch from lease_until - now()) * 1000))::float8 as "waitMs" from generations
    where id = ${id} and state in ('queued','running','stored')`)
  return other ? { retryInMs: Math.ceil(Number(other.waitMs)) } : 'over'
}

/** The fence: true for the row only while this attempt is the latest and nobody has ended it. */
const mine = (generation: Generation) =>
  sql`id = ${generation.id} and attempt = ${generation.attempt} and state in ('queued','running','stored')`

/** Changes the row if it is still this worker's. False: it is not, and whoever has it goes on. */
async function change(core: Core, generation: Generation, set: SQL): Promise<boolean> {
  const rows = await core.database.rows(sql`update generations set ${set} where ${mine(generation)} returning id`)
  return rows.length > 0
}

/** The intent, right before a provider is asked: from here on a start may have reached it. */
export const saveIntent = (core: Core, generation: Generation) => change(core, generation, sql`submit_at = now()`)

export const saveTicket = (core: Core, generation: Generation, ticket: Json) =>
  change(core, generation, sql`ticket = ${JSON.stringify(ticket)}::jsonb`)

export const savePosted = (core: Core, id: string, posted: Posted) =>
  core.database.rows(sql`update generations set posted = ${posted} where id = ${id}`)

/** The provider is known not to have run: back to the queue, to be started again. */
export const backToQueue = (core: Core, generation: Generation, waitMs: number) =>
  change(
    core,
    generation,
    sql`state = 'queued', submit_at = null, ticket = null, told = null, lease_until = null,
      wake_at = now() + ${`${Math.round(waitMs) + leaseMs} milliseconds`}::interval`,
  )

/** The same, to be started elsewhere. */
export const moveToRoute = (core: Core, generation: Generation, route: Pick<Route, 'provider' | 'endpoint'> & Tried) =>
  change(
    core,
    generation,
    sql`state = 'queued', submit_at = null, ticket = null, told = null, lease_until = null, provider = ${route.provider},
      endpoint = ${route.endpoint}, tried = ${JSON.stringify(route.tried)}::jsonb,
      wake_at = now() + ${`${leaseMs} milliseconds`}::interval`,
  )

interface Tried {
  tried: readonly TriedRoute[]
}

export const saveEnhanced = (core: Core, generation: Generation) =>
  change(
    core,
    generation,
    sql`enhanced = ${generation.enhanced}, notes = ${generation.notes ? JSON.stringify(generation.notes) : null}::jsonb`,
  )

/** Another worker may have it at once. */
export const letGo = (core: Core, generation: Generation) => change(core, generation, sql`lease_until = null`)

/** The decision that it has failed; said and settled by deliver.ts, in whatever process. */
export const saveFailure = (core: Core, generation: Generation, kind: ErrorKind, data: ErrorData) =>
  change(core, generation, sql`error = ${kind}, error_data = ${JSON.stringify(data)}::jsonb`)

export const saveDeliveryTry = (core: Core, generation: Generation, waitMs: number) =>
  change(
    core,
    generation,
    sql`delivery_tries = delivery_tries + 1, lease_until = null,
      wake_at = now() + ${`${Math.round(waitMs) + leaseMs} milliseconds`}::interval`,
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
        notes = ${generation.notes ? JSON.stringify(generation.notes) : null}::jsonb
      where ${mine(generation)} and state = 'running' and error is null returning id)
    insert into images (key, generation_id, role, position, type, width, height, bytes)
    select p.key, stored.id, p.role, p.position, p.type, p.width, p.height, p.bytes
    from stored, jsonb_to_recordset(${JSON.stringify(pictures)}::jsonb)
      as p(key text, role text, position int, type text, width int, height int, bytes int)
    returning key`)
  return rows.length > 0
}

/** Keeps the leases of everything this process works on; returns those that it still has. */
export async function renewLeases(core: Core, held: { id: string; attempt: number }[]): Promise<string[]> {
  const rows = await core.database.rows<{ id: string }>(sql`
    update generations g set lease_until = now() + ${`${leaseMs} milliseconds`}::interval,
      wake_at = now() + ${`${wakeMs} milliseconds`}::interval
    from jsonb_to_recordset(${JSON.stringify(held)}::jsonb) as h(id uuid, attempt int)
    where g.id = h.id and g.attempt = h.attempt and g.state in ('queued','running','stored') returning g.id`)
  return rows.map((row) => row.id)
}
