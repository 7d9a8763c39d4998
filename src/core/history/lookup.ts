/** What an administrator needs to know about an account or a request. No words of requests are in it, but those of reports are. */
import { desc, eq, sql } from 'drizzle-orm'
import { z } from 'zod'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import type { Json } from '../../db/json.ts'
import { auditLog, identities, users } from '../../db/schema/accounts.ts'
import { generations } from '../../db/schema/generations.ts'
import { listApiKeys } from '../accounts/api-keys.ts'
import { banColumns } from '../accounts/bans.ts'
import { inFlightLimit, perMinuteLimit } from '../accounts/limits.ts'
import { lastEntries } from '../billing/ledger.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { reportsOf } from '../results/reports.ts'

/** Lines of each list: all of them together fit into one message. */
const listed = 5

const requestColumns = columnsOf({
  id: generations.id,
  state: generations.state,
  model: generations.model,
  provider: generations.provider,
  error: generations.error,
  createdAt: generations.createdAt,
  /** From acceptance to the end, or to now. */
  seconds: typed<number>(
    sql`extract(epoch from coalesce(generations.ended_at, now()) - generations.created_at)::float8`,
  ),
})

/** Throws AppError unknown_user. */
export async function lookUpPerson(core: Core, userId: string) {
  const { db } = core.database
  const accountColumns = {
    name: users.name,
    balance: users.balance,
    held: users.held,
    debt: users.debt,
    underWay: users.inFlight,
    tier: users.tier,
    createdAt: users.createdAt,
    closedAt: users.closedAt,
    ...banColumns,
    inFlight: inFlightLimit(core.limits),
    perMinute: perMinuteLimit(core.limits),
  }
  const [[account], names, entries, requests, keys, acts] = await Promise.all([
    db.select(accountColumns).from(users).where(eq(users.id, userId)),
    db
      .select({ id: identities.id, handle: identities.handle })
      .from(identities)
      .where(eq(identities.userId, userId))
      .orderBy(identities.createdAt),
    lastEntries(core, userId, listed),
    readRows(
      core.database,
      requestColumns,
      (list) => sql`
        select ${list} from generations where generations.user_id between ${userId}::uuid and ${userId}::uuid
        order by generations.user_id desc, generations.id desc limit ${listed}`,
    ),
    listApiKeys(core, userId),
    actsOn(core, userId),
  ])
  if (!account) throw new AppError('unknown_user', { user: userId })
  return { id: userId, ...account, names, entries, requests, keys: keys.slice(-listed), acts }
}

export type PersonLookup = Awaited<ReturnType<typeof lookUpPerson>>

const factColumns = columnsOf({
  id: generations.id,
  state: generations.state,
  userId: generations.userId,
  person: typed<string>(sql`(select name from users where users.id = generations.user_id)`),
  payerId: generations.payerId,
  payer: typed<string>(sql`(select name from users where users.id = generations.payer_id)`),
  surface: generations.surface,
  model: generations.model,
  provider: generations.provider,
  endpoint: generations.endpoint,
  price: generations.price,
  quote: generations.quote,
  costMicros: generations.costMicros,
  /** What the payer has paid so far; holds count. */
  spent: typed<number>(
    sql`coalesce((select -sum(l.amount)::int from ledger l where l.generation_id = generations.id), 0)`,
  ),
  private: generations.private,
  ticket: generations.ticket,
  tried: generations.tried,
  attempt: generations.attempt,
  error: generations.error,
  errorData: generations.errorData,
  createdAt: generations.createdAt,
  startedAt: generations.startedAt,
  submitAt: generations.submitAt,
  storedAt: generations.storedAt,
  endedAt: generations.endedAt,
  deadlineAt: generations.deadlineAt,
})

/** Throws AppError unknown_request. */
export async function lookUpRequest(core: Core, id: string) {
  const [[facts], acts, reports] = await Promise.all([
    readRows(
      core.database,
      factColumns,
      (list) => sql`select ${list} from generations where generations.id = ${id}::uuid`,
    ),
    actsOn(core, id),
    reportsOf(core, id, listed),
  ])
  if (!facts) throw new AppError('unknown_request')
  const { ticket, errorData, private: isPrivate, ...shown } = facts
  return {
    ...shown,
    reference: isPrivate ? undefined : referenceIn(ticket),
    errorFacts: factsOf(errorData),
    acts,
    reports,
  }
}

export type RequestLookup = Awaited<ReturnType<typeof lookUpRequest>>

/** What a provider calls its id of the request: tickets may also hold links to the pictures. */
const referenceShape = z.union([
  z.object({ requestId: referenceId() }).transform(({ requestId }) => requestId),
  z.object({ taskId: referenceId() }).transform(({ taskId }) => taskId),
  z.object({ promptId: referenceId() }).transform(({ promptId }) => promptId),
])

function referenceId() {
  return z.string().regex(/^[\w-]{6,100}$/)
}

const referenceIn = (ticket: Json | null) => referenceShape.safeParse(ticket).data

const factsShape = z.record(z.string(), z.unknown())

/** Numbers, and which provider it was. What a provider says may repeat the words of the request. */
function factsOf(data: Json | null): string[] {
  const entries = Object.entries(factsShape.safeParse(data).data ?? {})
  const facts = entries.filter(([name, value]) => name === 'provider' || typeof value === 'number')
  return facts.map(([name, value]) => `${name} ${value}`)
}

const actColumns = {
  actor: auditLog.actor,
  action: auditLog.action,
  before: auditLog.before,
  after: auditLog.after,
  createdAt: auditLog.createdAt,
}

/** The latest changes of it by administrators. */
function actsOn(core: Core, target: string) {
  return core.database.db
    .select(actColumns)
    .from(auditLog)
    .where(eq(auditLog.target, target))
    .orderBy(desc(auditLog.id))
    .limit(listed)
}

export type AdminActLine = Awaited<ReturnType<typeof actsOn>>[number]
