/** Submits requests of programs. They take the same way as requests of a chat. */

import { and, eq, lt, sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import { columnsOf, readRows } from '../../db/columns.ts'
import { users } from '../../db/schema/accounts.ts'
import { generations } from '../../db/schema/generations.ts'
import type { KeyHolder } from '../accounts/api-keys.ts'
import { limitsFor, type PaceLeft } from '../accounts/limits.ts'
import { grant } from '../billing/ledger.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import type { Submission } from '../generation/accept.ts'
import { submit, wake, wakeAgain } from '../generation/submit.ts'
import type { Attachment } from '../ports/chat.ts'
import type { RequestParams } from '../ports/models.ts'
import type { Job } from '../ports/queue.ts'
import type { ChosenModel } from '../request/check.ts'
import { defaultModel, findAllowedModel } from '../request/choose-model.ts'
import { requestIds } from './request-ids.ts'

export interface ProgramRequest {
  holder: KeyHolder
  /** The id that its generation gets. Absent: a new one. */
  id?: string
  /** Identifies the request within the account: a repetition leads to the same generation. Absent: it is not repeated. */
  key?: string
  chosen: ChosenModel
  params: RequestParams
  images: readonly Attachment[]
  /** Comes with `params.mask`. */
  mask?: Attachment
  /** Receives a webhook when the request has ended. The caller has checked that it is a public address. */
  webhookUrl?: string
  /** See PictureRequest. */
  format?: string
}

/** The operator's programs pay like all others. Below this balance their account is granted more credits. */
const operatorMinimum = 1_000
const operatorGrant = 10_000

export interface Asked {
  id: string
  fresh: boolean
  /** Of a fresh one: the requests that the account may still send after it. */
  pace?: PaceLeft
}

/** Throws AppError for every reason to refuse. A refused request leaves nothing behind. */
export async function ask(core: Core, request: ProgramRequest): Promise<Asked> {
  const { holder, id = uuidv7(), chosen, params, images, mask, webhookUrl, format } = request
  const { userId, keyId } = holder
  const key = keyOf(userId, request.key ?? id)
  // before anything else, so that a repeated request does not load its pictures again
  const before = request.key === undefined ? undefined : await askedAs(core, userId, request.key)
  if (before) {
    await wakeAgain(core, before)
    return { id: before.id, fresh: false }
  }
  const submission: Submission = {
    key,
    surface: 'api',
    address: `api:${id}`,
    locale: 'en',
    chosen,
    params,
    images,
    mask,
    from: { userId },
    program: { id, keyId, webhookUrl, format, requestId: requestIds.getStore() },
    limits: limitsFor(core, holder),
  }
  const accepted = await submit(core, submission).catch(async (error: unknown) => {
    if (keyId !== null || !(error instanceof AppError && error.kind === 'no_credits')) throw error
    await topUp(core, userId)
    return submit(core, submission)
  })
  await (accepted.fresh ? wake : wakeAgain)(core, accepted.job)
  const { balance = operatorMinimum, pace } = accepted.after ?? {}
  if (keyId === null && balance < operatorMinimum) await keepPaid(core, userId)
  return { id: accepted.id, fresh: accepted.fresh, pace }
}

/** Id of the generation that an earlier `ask` with this key made. */
export async function askedBefore(core: Core, { userId }: KeyHolder, key: string): Promise<string | undefined> {
  return (await askedAs(core, userId, key))?.id
}

/** Also finds a request of an account that has been joined with this one since. */
async function askedAs(core: Core, userId: string, key: string): Promise<Job | undefined> {
  const [job] = await readRows(
    core.database,
    jobColumns,
    (list) => sql`
      select ${list} from generations where key in (
        select 'api:' || id || ':' || ${key}::text from users where id = ${userId}::uuid or joined_into = ${userId}::uuid)`,
  )
  return job
}

const jobColumns = columnsOf({ id: generations.id, lane: generations.provider, priority: generations.priority })

const keyOf = (userId: string, key: string) => `api:${userId}:${key}`

/** Id of the model that a name means for this key; without a name, the default. Throws AppError unknown_model, model_not_allowed. */
export function modelFor(core: Core, { models }: KeyHolder, named: string | undefined): string {
  if (named === undefined) return defaultModel(core, models, { images: 0, words: true })
  return findAllowedModel(core, named, models).id
}

/** Grants credits if few are left. The account is locked, so that concurrent calls grant once. */
async function topUp(core: Core, userId: string): Promise<void> {
  await core.database.db.transaction(async (tx) => {
    const [low] = await tx
      .select({ id: users.id })
      .from(users)
      .where(and(eq(users.id, userId), lt(users.balance, operatorMinimum)))
      .for('update')
    if (!low) return
    const key = `operator:${userId}:${uuidv7()}`
    const given = {
      userId,
      amount: operatorGrant,
      source: 'admin',
      reason: 'operator',
      actor: 'api:operator',
      key,
    } as const
    await grant(core, given, tx)
  })
}

/** The request was accepted, and the next one that cannot be paid for tries again. */
async function keepPaid(core: Core, userId: string): Promise<void> {
  await topUp(core, userId).catch((error: unknown) =>
    core.log.warn({ err: error }, 'could not top up the operator’s account'),
  )
}
