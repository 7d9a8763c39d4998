/** What a program asks for, from acceptance to its end: the same way that a chat's requests take. */
import { sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import type { KeyHolder } from '../accounts/api-keys.ts'
import { limitsFor } from '../accounts/limits.ts'
import { grant } from '../billing/ledger.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { acceptedBefore } from '../generation/accept.ts'
import { submit, wake, wakeAgain } from '../generation/submit.ts'
import { hasEnded, type Outcome, outcomeOf } from '../history/outcome.ts'
import type { Attachment } from '../ports/chat.ts'
import type { RequestParams } from '../ports/models.ts'
import { chooseModel, type Needs } from '../request/choose-model.ts'

export interface ProgramRequest {
  holder: KeyHolder
  /** Of this request, among the account's: the same again is the same generation. Absent: it is not asked again. */
  key?: string
  params: RequestParams
  images: readonly Attachment[]
  /** Told when it has ended. Whoever asks has looked whether it may be. */
  webhookUrl?: string
  /** See PictureRequest. */
  format?: string
}

/** The operator's programs pay as everybody does; the operator gives what they need. */
const operatorLeast = 1_000
const operatorGrant = 10_000

/** Notifications may get lost: looked at anyway, less and less often, for there may be hundreds who wait for long. */
const firstLookMs = 1_000
const mostLookMs = 5_000

/** Throws AppError for every reason to refuse; what was refused leaves nothing behind. */
export async function ask(core: Core, request: ProgramRequest): Promise<{ id: string; fresh: boolean }> {
  const { holder, params, images, webhookUrl, format } = request
  const { userId, keyId } = holder
  const id = uuidv7()
  const key = keyOf(userId, request.key ?? id)
  // looked for first, so that a repeated request does not load its pictures again
  const before = request.key === undefined ? undefined : await acceptedBefore(core, key)
  if (before) {
    await wakeAgain(core, before)
    return { id: before.id, fresh: false }
  }
  if (keyId === null) await topUp(core, userId)
  const chosen = chooseModel(core, {
    name: params.model,
    allowed: holder.models,
    images: images.length,
    words: params.prompt !== '',
  })
  const accepted = await submit(core, {
    key,
    surface: 'api',
    address: `api:${id}`,
    chosen,
    locale: 'en',
    params,
    images,
    from: { userId },
    program: { id, keyId, webhookUrl, format },
    limits: limitsFor(core, holder),
  })
  await (accepted.fresh ? wake : wakeAgain)(core, accepted.job)
  return { id: accepted.id, fresh: accepted.fresh }
}

/** What became of an earlier `ask` with that key. */
export async function askedBefore(core: Core, { userId }: KeyHolder, key: string): Promise<string | undefined> {
  return (await acceptedBefore(core, keyOf(userId, key)))?.id
}

const keyOf = (userId: string, key: string) => `api:${userId}:${key}`

/**
 * The id of the model that a name, or none, means for this key. `needs`: of the request; absent: words alone. Throws AppError
 * unknown_model, model_not_allowed.
 */
export function modelFor(
  core: Core,
  { models }: KeyHolder,
  named: string | undefined,
  needs: Needs = { images: 0, words: true },
): string {
  return chooseModel(core, { name: named, allowed: models, ...needs }).model.id
}

/** Keyed by the entry it comes after: two at once give once. */
async function topUp(core: Core, userId: string): Promise<void> {
  const [account] = await core.database.rows<{ balance: number; last: number }>(sql`
    select balance, (select coalesce(max(id), 0) from ledger where user_id = u.id) as last
    from users u where id = ${userId}`)
  if (!account || account.balance >= operatorLeast) return
  const key = `operator:${userId}:${account.last}`
  await grant(core, { userId, amount: operatorGrant, reason: 'operator', actor: 'api:operator', key })
}

export interface Waiting {
  /** Aborts the waiting, not the request. */
  signal: AbortSignal
  onProgress?: (progress: { percent?: number; preview?: Buffer }) => void
}

/** Resolves when it has ended, wherever it is drawn. Throws AppError unknown_request. */
export async function waitForEnd(
  core: Core,
  userId: string | null,
  id: string,
  { signal, onProgress }: Waiting,
): Promise<Outcome> {
  // listening before the first look: nothing is missed in between
  const watching = core.events.follow(id.toLowerCase(), onProgress ? ['ended', 'progress'] : ['ended'])
  const report = onProgress && reporter(onProgress)
  try {
    signal.throwIfAborted()
    const first = known(await outcomeOf(core, userId, id))
    if (hasEnded(first.state)) return first
    let last: Look = { state: first.state, percent: first.percent, updated: null, preview: null }
    report?.(last)
    const givenUpAt = Date.now() + core.limits.deadlineMs + 60_000
    for (let waitMs = firstLookMs; ; waitMs = Math.min(2 * waitMs, mostLookMs)) {
      await watching.wait(waitMs, signal)
      const ended = watching.ended.aborted
      try {
        if (!ended) last = await look(core, first.id, last, report !== undefined)
        report?.(last)
        if (!ended && !hasEnded(last.state)) continue
        const outcome = known(await outcomeOf(core, null, first.id))
        if (hasEnded(outcome.state)) return outcome
      } catch (error) {
        // a database that is away for a moment says nothing of a picture that is paid for
        if (error instanceof AppError || Date.now() > givenUpAt) throw error
        core.log.warn({ id: first.id, err: error }, 'how a request is going was not found out; looked at again')
        await watching.wait(Math.min(waitMs, firstLookMs), signal)
      }
    }
  } finally {
    watching.stop()
  }
}

/** Also when it was erased while we waited. Throws AppError unknown_request. */
function known(outcome: Outcome | undefined): Outcome {
  if (!outcome) throw new AppError('unknown_request')
  return outcome
}

interface Look extends Pick<Outcome, 'state' | 'percent'> {
  updated: string | null
  /** base64; null also when it was seen before. */
  preview: string | null
}

/** As little as possible, for there may be hundreds who look. */
async function look(core: Core, id: string, last: Look, withPreview: boolean): Promise<Look> {
  const [row] = await core.database.rows<Look>(sql`
    select g.state, p.percent, p.updated::text as updated,
      case when ${withPreview}::bool and p.updated::text is distinct from ${last.updated}::text
        then encode(p.preview, 'base64') end as preview
    from generations g left join api_progress p on p.generation_id = g.id where g.id = ${id}::uuid`)
  if (!row) throw new AppError('unknown_request')
  return row
}

/** Says only what is new. */
function reporter(onProgress: NonNullable<Waiting['onProgress']>): (look: Look) => void {
  let said: { percent: number | null; preview: string | null } = { percent: null, preview: null }
  return ({ percent, preview }) => {
    const news = {
      percent: percent === null || percent === said.percent ? undefined : percent,
      preview: preview === null || preview === said.preview ? undefined : Buffer.from(preview, 'base64'),
    }
    said = { percent, preview: preview ?? said.preview }
    if (news.percent !== undefined || news.preview) onProgress(news)
  }
}
