/** Saves an accepted request and holds its credits, in one statement. */

import { eq, type SQL, sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { conflicted, violates } from '../../db/database.ts'
import { apiKeys } from '../../db/schema/accounts.ts'
import { generations } from '../../db/schema/generations.ts'
import { accountOf, currentAccount } from '../accounts/accounts.ts'
import { spentThisMonth } from '../accounts/api-keys.ts'
import { isBanned } from '../accounts/bans.ts'
import {
  debtMs,
  hasPace,
  inFlightLimit,
  leftOf,
  limitsOf,
  type PaceLeft,
  perMinuteLimit,
  spacing,
} from '../accounts/limits.ts'
import { adultIn, chatOf, lockedRules, rulesAllow } from '../chats/rules.ts'
import type { AccountLimits, Candidate, Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { inputObjects } from '../media/input-objects.ts'
import type { Address, Attachment, Identity, Locale, Place, Posted } from '../ports/chat.ts'
import type { ImageFile } from '../ports/images.ts'
import type { PictureRequest, RequestParams, Route } from '../ports/models.ts'
import type { Job } from '../ports/queue.ts'
import type { ChosenModel } from '../request/check.ts'
import { traceparent } from '../trace.ts'
import { judged } from './rules.ts'

/** A request, from a chat or from a program. */
export interface Submission {
  /** The same for each delivery of the same request: nothing happens twice for one key. */
  key: string
  surface: string
  address: Address
  /** Absent: not in a chat. */
  place?: Place
  locale: Locale
  chosen: ChosenModel
  params: RequestParams
  images: readonly Attachment[]
  /** Marks the area of the first picture that is drawn anew, and comes with `params.mask`. */
  mask?: Attachment
  /** Who asks: an identity of a platform, or an account. */
  from: Identity | { userId: string }
  /** The account whose credits it costs. Absent: that of the person. */
  payer?: string
  /** Only the person sees its pictures. A request that starts from a private result is private, too. */
  private?: boolean
  /** Our message that becomes the waiting message, if one was posted before. */
  posted?: Posted
  /** The enhanced prompt, if it was made before the request was submitted. */
  enhanced?: string
  /** The draft that it draws, and the key of the call that chose so: they are noted in the statement that accepts it. */
  draft?: { id: string; decidedBy: string }
  /** The result that it starts from, and the button that was pressed there; 'reply' for a reply to it. */
  parent?: { id: string; button: string }
  /** The price that the button showed. Absent: it showed none. */
  shownPrice?: number
  /** Of programs only. `id`: of the generation, which their address names. */
  program?: { id: string; keyId: string | null; webhookUrl?: string; format?: string; requestId?: string }
  /** Absent: the usual limits. */
  limits?: AccountLimits
}

export interface Accepted {
  id: string
  job: Job
  request: PictureRequest
  /** Endpoint of the provider in whose lane the job waits. */
  endpoint: string
  /** Credits on hold for it. */
  price: number
  /** Only the person may see its answer. */
  private: boolean
  /** False when this very request had been accepted before: then nothing has changed. */
  fresh: boolean
  /** Of a fresh one: how the account stands after it. */
  after?: { balance: number; pace: PaceLeft }
}

/** When the sweeper looks at a row that no worker has started; later while its input pictures are being stored. */
export const wakeAfterMs = 10_000
const wakeAfterStoringMs = 120_000
/** Attempts to accept before giving up. */
const maxTries = 3
/**
 * Constraints that fail when requests meet: two deliveries of one call, of which one is saved, and requests that spend the payer's last
 * credits or what the member may draw from the pool today.
 */
const passing = ['generations_key_unique', 'users_balance_not_negative', 'pool_draws_within_cap']

interface Acceptance {
  candidate: Candidate
  route: Route
  inputs: readonly ImageFile[]
  mask?: ImageFile
}

export async function accept(core: Core, submission: Submission, acceptance: Acceptance): Promise<Accepted> {
  const { route } = acceptance
  let { candidate } = acceptance
  const { request } = candidate
  const id = submission.program?.id ?? uuidv7()
  for (let tries = 1; ; tries++) {
    let capped = false
    const saved = await save(core, id, submission, { ...acceptance, candidate }).catch((error: unknown) => {
      capped = violates(error, 'api_keys_within_cap')
      if (capped || conflicted(error) || passing.some((name) => violates(error, name))) return undefined
      throw error
    })
    const accepted = { request, endpoint: route.endpoint, price: candidate.price }
    if (saved) {
      const job = { id, lane: route.provider, priority: saved.priority }
      const after = { balance: saved.balance, pace: leftOf(saved) }
      return { ...accepted, id, private: saved.private, fresh: true, job, after }
    }
    const before = await acceptedBefore(core, submission.key)
    if (before) return { ...accepted, id: before.id, private: false, fresh: false, job: before }
    if (capped) throw await capRefusal(core, submission)
    const next = await judged(core, await ofCurrentAccounts(core, submission, candidate))
    if (next.error) throw next.error
    candidate = next.candidate
    // the limit that blocked it has cleared since: try again
    if (tries === maxTries) {
      const { inFlight: limit } = await limitsOf(core, candidate.userId, candidate)
      throw new AppError('too_many_in_flight', { limit })
    }
  }
}

/** The accounts may have been joined with others since they were read, or the identity may have left its account. */
async function ofCurrentAccounts(core: Core, { from }: Submission, candidate: Candidate): Promise<Candidate> {
  const userId = 'userId' in from ? await currentAccount(core, candidate.userId) : await accountOf(core, from)
  // whether the pool pays is decided anew
  if (candidate.drawsAs !== undefined) return { ...candidate, userId, payer: undefined, drawsAs: undefined }
  if (candidate.payer === undefined) return { ...candidate, userId }
  return { ...candidate, userId, payer: await currentAccount(core, candidate.payer) }
}

/** undefined: no request with this key was accepted. */
export async function acceptedBefore(core: Core, key: string): Promise<Job | undefined> {
  const [job] = await core.database.db
    .select({ id: generations.id, lane: generations.provider, priority: generations.priority })
    .from(generations)
    .where(eq(generations.key, key))
  return job
}

interface Saved {
  priority: number
  private: boolean
  /** Of the person, without what the request costs if the person pays. */
  balance: number
  debtMs: number
  perMinute: number
}

/**
 * One statement, one transaction. The update of `users` locks the row and checks again after waiting for the lock, so limits
 * hold for any number of concurrent requests. undefined: refused.
 */
async function save(
  core: Core,
  id: string,
  submission: Submission,
  { candidate, route, ...files }: Acceptance,
): Promise<Saved | undefined> {
  const { key, surface, address, from, place, locale, parent, program, enhanced, draft } = submission
  const { userId, payer = userId, request, price, quote } = candidate
  const pictures = inputObjects(core, id, files).map(({ file, ...object }) => ({ ...object, ...aboutFile(file) }))
  const untilWoken = `${pictures.length > 0 ? wakeAfterStoringMs : wakeAfterMs} milliseconds`
  // unchecked row: the columns belong to the statement's own tables
  const [row] = await core.database.rows<Saved>(sql`
    with rules as (${lockedRules(candidate)}),
    admitted as (
      update users set pace_at = greatest(pace_at, now()) + ${spacing(candidate)}
      where id = ${userId} and closed_at is null and not ${isBanned} and in_flight < ${inFlightLimit(candidate)} and joined_into is null
        and ${'id' in from ? sql`exists (select from identities where id = ${from.id} and user_id = ${userId})` : sql`true`}
        and ${payer === userId ? sql`balance >= ${price}::int` : canPay(payer, price)} and ${mayDraw(candidate)}
        and ${hasPace(candidate)} and ${rulesAllow(core, candidate)}
        and not exists (select from generations where key = ${key})
      returning in_flight, balance, ${debtMs} as "debtMs", ${perMinuteLimit(candidate)} as "perMinute", (${submission.private ?? false}::bool or exists (
        select from generations parent where parent.id = ${parent?.id ?? null}::uuid and parent.private)) as private),
    draw as (${drawOf(candidate)}),
    generation as (
      insert into generations (id, user_id, payer_id, draw_id, key, surface, address, channel, private, original, enhanced, locale, model, provider, endpoint, request,
        parent_id, parent_button, price, quote, priority, api_key_id, webhook_url, watched, posted, request_id, traceparent, wake_at, deadline_at)
      select ${id}::uuid, ${userId}::uuid, ${payer}::uuid, (select id from draw), ${key}, ${surface}, ${address},
        case when not private then ${place?.channel ?? null} end, private, ${originalWanted(userId, submission)},
        ${enhanced ?? null}, ${locale},
        ${request.model}, ${route.provider}, ${route.endpoint},
        ${JSON.stringify({ ...request, format: program?.format })}::jsonb || ${adultIn(candidate)},
        ${parent?.id ?? null}::uuid, ${parent?.button ?? null}, ${price}::int, ${JSON.stringify(quote)}::jsonb, in_flight + 1,
        ${program?.keyId ?? null}::uuid, ${program?.webhookUrl ?? null}, ${program !== undefined}::bool,
        ${program ? address : (submission.posted ?? null)}, -- a program's address stands for its message, too
        ${program?.requestId ?? null}, ${traceparent() ?? null},
        now() + ${untilWoken}::interval, now() + ${`${core.limits.deadlineMs} milliseconds`}::interval
      from admitted returning id, payer_id, priority, private),
    ${draft ? decided(draft) : sql``}
    pictures as (
      insert into images (key, generation_id, role, position, type, width, height, bytes)
      select p.key, generation.id, p.role, p.position, p.type, p.width, p.height, p.bytes
      from generation, jsonb_to_recordset(${JSON.stringify(pictures)}::jsonb)
        as p(key text, role text, position int, type text, width int, height int, bytes int)),
    entry as (
      insert into ledger (user_id, generation_id, kind, amount, held)
      select payer_id, id, 'hold', -(${price}::int), ${price}::int from generation)
    select priority, generation.private, "debtMs", "perMinute",
      balance - ${payer === userId ? price : 0}::int as balance from generation, admitted`)
  return row
}

const aboutFile = ({ type, width, height, data }: ImageFile) => ({ type, width, height, bytes: data.length })

/** Looked at without a lock: the balance may not become negative, so the hold fails if another request takes the credits first. */
const canPay = (payer: string, price: number) => sql`exists (
  select from users where id = ${payer} and not ${isBanned} and joined_into is null and closed_at is null
    and balance >= ${price}::int)`

/** Whether the rules, which are locked, let the member draw so much on the pool at all. */
const mayDraw = ({ payer, drawsAs, price }: Candidate) =>
  drawsAs === undefined
    ? sql`true`
    : sql`exists (select from rules where pool_id = ${payer ?? null}::uuid and pool_cap >= ${price}::int)`

/** Adds to what the member has drawn today. Beyond the cap, it breaks the constraint `pool_draws_within_cap`. */
const drawOf = ({ drawsAs, price }: Candidate) => sql`
  insert into pool_draws as d (chat, day, member, credits, cap)
  select chat, (now() at time zone 'UTC')::date, ${drawsAs ?? ''}, ${price}::int, pool_cap from rules, admitted
  where ${drawsAs !== undefined}::bool
  on conflict (chat, day, member) do update set credits = d.credits + excluded.credits, cap = excluded.cap
  returning id`

/** Of several choices, the one that was accepted. */
const decided = ({ id, decidedBy }: NonNullable<Submission['draft']>) => sql`
  decided as (
    update drafts set decided_by = ${decidedBy} where id = ${id}::uuid and exists (select from generation)),`

/** The setting of the person, else of the group. Programs ask for the files that they want. */
function originalWanted(userId: string, { surface, place }: Submission): SQL {
  if (!place) return sql`false`
  return sql`coalesce((select original from user_settings where user_id = ${userId}::uuid),
    (select original from chat_settings where chat = ${chatOf({ surface, place }) ?? null}), false)`
}

const capColumns = columnsOf({ limit: apiKeys.monthlyCap, spent: typed<number>(spentThisMonth) })

/** The ledger trigger counts what the key has spent (drizzle/0003_api.sql), in the statement that was refused. */
async function capRefusal(core: Core, { program }: Submission): Promise<AppError> {
  const [key] = await readRows(
    core.database,
    capColumns,
    (list) => sql`select ${list} from api_keys where id = ${program?.keyId ?? null}::uuid`,
  )
  return new AppError('cap_reached', { limit: key?.limit ?? undefined, spent: key?.spent })
}
