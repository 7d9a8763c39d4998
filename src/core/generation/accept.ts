/** Saves an accepted request and holds its credits, in one statement. */

import { eq, sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import { inBatches, rowsOfCalls } from '../../db/batches.ts'
import { conflicted, violates } from '../../db/database.ts'
import { generations } from '../../db/schema/generations.ts'
import { accountOf, currentAccount } from '../accounts/accounts.ts'
import { capRefusal } from '../accounts/api-keys.ts'
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
import { draws, mayDraw } from '../billing/pool.ts'
import { adultIn, lockedRules, ruleColumns, ruleFacts, rulesAllow } from '../chats/rules.ts'
import type { AccountLimits, Candidate, Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { inputObjects } from '../media/input-objects.ts'
import type { Address, Attachment, Identity, Locale, Place, Posted } from '../ports/chat.ts'
import type { ImageFile } from '../ports/images.ts'
import type { PictureRequest, RequestParams, Route } from '../ports/models.ts'
import type { Job } from '../ports/queue.ts'
import { deadlineMsIn } from '../providers/deadline.ts'
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
    if (capped) throw await capRefusal(core, submission.program?.keyId ?? null)
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

function save(
  core: Core,
  id: string,
  submission: Submission,
  { candidate, route, ...files }: Acceptance,
): Promise<Saved | undefined> {
  const { key, surface, address, from, place, locale, parent, program, enhanced, draft } = submission
  const { userId, payer = userId, drawsAs, request, price, quote, inFlight, perMinute } = candidate
  const pictures = inputObjects(core, id, files).map(({ file, ...object }) => ({ ...object, ...aboutFile(file) }))
  return saveInBatch(core, {
    ...ruleFacts(core, candidate),
    id,
    userId,
    payer,
    drawsAs,
    key,
    surface,
    address,
    // a program's address stands for its message, too
    posted: program ? address : submission.posted,
    identity: 'id' in from ? from.id : undefined,
    isPlaced: place !== undefined,
    isPrivate: submission.private ?? false,
    locale,
    model: request.model,
    provider: route.provider,
    endpoint: route.endpoint,
    request: { ...request, format: program?.format },
    enhanced,
    parent: parent?.id,
    button: parent?.button,
    price,
    quote,
    inFlight,
    perMinute,
    fixed: candidate.fixed,
    apiKey: program?.keyId ?? undefined,
    webhookUrl: program?.webhookUrl,
    watched: program !== undefined,
    requestId: program?.requestId,
    traceparent: traceparent(),
    wakeMs: pictures.length > 0 ? wakeAfterStoringMs : wakeAfterMs,
    deadlineMs: deadlineMsIn(core, route.provider),
    draft: draft?.id,
    decidedBy: draft?.decidedBy,
    pictures,
  })
}

const aboutFile = ({ type, width, height, data }: ImageFile) => ({ type, width, height, bytes: data.length })

/** A request to save. Properties that are absent or undefined are null in the statement. */
interface Saving extends ReturnType<typeof ruleFacts>, AccountLimits {
  id: string
  userId: string
  payer: string
  drawsAs?: string
  price: number
  apiKey?: string
  draft?: string
  [column: string]: unknown
}

const savingColumns = sql`id uuid, "userId" uuid, payer uuid, "drawsAs" text, key text, surface text, address text, posted text, identity text,
  "isPlaced" bool, "isPrivate" bool, locale text, model text, provider text, endpoint text, request jsonb, enhanced text, parent uuid,
  button text, price int, quote jsonb, "inFlight" int, "perMinute" float8, "apiKey" uuid, "webhookUrl" text, watched bool, "requestId" text,
  traceparent text, "wakeMs" int, "deadlineMs" int, draft uuid, "decidedBy" text, pictures jsonb, ${ruleColumns}`

/**
 * One statement, one transaction. The update of `users` locks the rows and checks again after waiting for a lock, so limits
 * hold for any number of concurrent requests, of which a statement has one for each account. undefined: refused.
 */
const saveInBatch = inBatches<Core, Saving, Saved | undefined>({
  keyOf: ({ userId }) => userId,
  // a pool is locked after the accounts of its members; a request beyond a key's cap would refuse the batch; the operator has one account
  isAlone: ({ userId, payer, apiKey, fixed }) => payer !== userId || apiKey !== undefined || fixed === true,
  async run(core, calls) {
    const limits = { inFlight: sql`calls."inFlight"`, perMinute: sql`calls."perMinute"`, fixed: calls[0]?.fixed }
    // unchecked row: the columns belong to the statement's own tables
    const rows = await core.database.rows<Saved & { id: string }>(sql`
      with calls as (${rowsOfCalls(calls, savingColumns, ({ userId }) => userId)}),
      rules as (${lockedRules}),
      admitted as (
        update users set pace_at = greatest(pace_at, now()) + ${spacing(limits)} from calls
        where users.id = calls."userId" and closed_at is null and not ${isBanned} and in_flight < ${inFlightLimit(limits)} and joined_into is null
          and (calls.identity is null or exists (select from identities where id = calls.identity and user_id = calls."userId"))
          and ${canPay} and ${mayDraw} and ${hasPace(limits)} and ${rulesAllow}
          and not exists (select from generations where key = calls.key)
        returning calls.*, in_flight, balance, ${debtMs} as "debtMs", ${perMinuteLimit(limits)} as per_minute, (calls."isPrivate" or exists (
          select from generations parent where parent.id = calls.parent and parent.private)) as private),
      draw as (${draws}),
      generation as (
        insert into generations (id, user_id, payer_id, draw_id, key, surface, address, channel, private, original, enhanced, locale, model, provider, endpoint, request,
          parent_id, parent_button, price, quote, priority, api_key_id, webhook_url, watched, posted, request_id, traceparent, wake_at, deadline_at)
        select id, "userId", payer, (select draw.id from draw where draw.chat = calls.chat and draw.member = calls."drawsAs"),
          key, surface, address, case when not private then channel end, private, ${originalWanted}, enhanced, locale, model, provider,
          endpoint, request || ${adultIn}, parent, button, price, quote, in_flight + 1, "apiKey", "webhookUrl", watched, posted,
          "requestId", traceparent, now() + interval '1 millisecond' * "wakeMs", now() + interval '1 millisecond' * "deadlineMs"
        from admitted calls returning id, payer_id, price, priority, private),
      ${calls.some(({ draft }) => draft !== undefined) ? decided : sql``}
      pictures as (
        insert into images (key, generation_id, role, position, type, width, height, bytes)
        select p.key, calls.id, p.role, p.position, p.type, p.width, p.height, p.bytes
        from admitted calls, jsonb_to_recordset(calls.pictures)
          as p(key text, role text, position int, type text, width int, height int, bytes int)),
      entry as (
        insert into ledger (user_id, generation_id, kind, amount, held)
        select payer_id, id, 'hold', -price, price from generation order by payer_id)
      select calls.id, generation.priority, generation.private, "debtMs", per_minute as "perMinute",
        balance - case when calls.payer = calls."userId" then calls.price else 0 end as balance
      from generation join admitted calls on calls.id = generation.id`)
    return calls.map(({ id }) => rows.find((row) => row.id === id))
  },
})

/** Another account is looked at without a lock: the balance may not become negative, so the hold fails if another request takes the credits first. */
const canPay = sql`case when calls.payer = calls."userId" then balance >= calls.price else exists (
  select from users where id = calls.payer and not ${isBanned} and joined_into is null and closed_at is null
    and balance >= calls.price) end`

/** Of several choices, the one that was accepted. */
const decided = sql`
  decided as (
    update drafts set decided_by = calls."decidedBy" from admitted calls where drafts.id = calls.draft),`

/** The setting of the person, else of the group. Programs ask for the files that they want. */
const originalWanted = sql`("isPlaced" and coalesce((select original from user_settings where user_id = calls."userId"),
  (select original from chat_settings where chat_settings.chat = calls.chat), false))`
