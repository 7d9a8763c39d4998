/** Submits requests of programs. They take the same way as requests of a chat. */

import { sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { users } from '../../db/schema/accounts.ts'
import { generations } from '../../db/schema/generations.ts'
import type { KeyHolder } from '../accounts/api-keys.ts'
import { limitsFor } from '../accounts/limits.ts'
import { grant } from '../billing/ledger.ts'
import type { Core } from '../core.ts'
import { submit, wake, wakeAgain } from '../generation/submit.ts'
import type { Attachment } from '../ports/chat.ts'
import type { RequestParams } from '../ports/models.ts'
import type { Job } from '../ports/queue.ts'
import type { ChosenModel } from '../request/check.ts'
import { defaultModel, findAllowedModel } from '../request/choose-model.ts'
import { requestIds } from './request-ids.ts'

export interface ProgramRequest {
  holder: KeyHolder
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

/** Throws AppError for every reason to refuse. A refused request leaves nothing behind. */
export async function ask(core: Core, request: ProgramRequest): Promise<{ id: string; fresh: boolean }> {
  const { holder, chosen, params, images, mask, webhookUrl, format } = request
  const { userId, keyId } = holder
  const id = uuidv7()
  const key = keyOf(userId, request.key ?? id)
  // before anything else, so that a repeated request does not load its pictures again
  const before = request.key === undefined ? undefined : await askedAs(core, userId, request.key)
  if (before) {
    await wakeAgain(core, before)
    return { id: before.id, fresh: false }
  }
  if (keyId === null) await topUp(core, userId)
  const accepted = await submit(core, {
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
  })
  await (accepted.fresh ? wake : wakeAgain)(core, accepted.job)
  return { id: accepted.id, fresh: accepted.fresh }
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

const topUpColumns = columnsOf({
  balance: users.balance,
  last: typed<number>(sql`(select coalesce(max(id), 0) from ledger where user_id = users.id)`),
})

/** The grant is keyed by the last ledger entry before it, so that concurrent calls grant once. */
async function topUp(core: Core, userId: string): Promise<void> {
  const [account] = await readRows(
    core.database,
    topUpColumns,
    (list) => sql`select ${list} from users where id = ${userId}`,
  )
  if (!account || account.balance >= operatorMinimum) return
  const key = `operator:${userId}:${account.last}`
  await grant(core, { userId, amount: operatorGrant, source: 'admin', reason: 'operator', actor: 'api:operator', key })
}
