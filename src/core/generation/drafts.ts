/**
 * Requests that wait for a choice: the person sees the enhanced prompt first, and then draws it, their own words, or an edited prompt. No
 * credits are held before the choice. Whichever button is pressed, the request has one key, so it is accepted and paid for once.
 */
import { and, eq, gt, sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import { drafts } from '../../db/schema/drafts.ts'
import { accountOf } from '../accounts/accounts.ts'
import { takePace } from '../accounts/limits.ts'
import { quote } from '../billing/quote.ts'
import type { Candidate, Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { isId } from '../ids.ts'
import { readInputs, withReservation } from '../media/read-inputs.ts'
import { giveUpUploads, ownPicture, storeCleaned } from '../media/uploads.ts'
import type { Attachment, Call, Posted } from '../ports/chat.ts'
import type { ImageFile } from '../ports/images.ts'
import type { RequestParams } from '../ports/models.ts'
import { chooseModel, inputsOf } from '../request/choose-model.ts'
import { enhancedOf } from '../worker/enhance.ts'
import type { Accepted, Submission } from './accept.ts'
import { judged } from './rules.ts'
import { candidateOf, submit } from './submit.ts'

export interface Draft {
  id: string
  prompt: string
  /** undefined: the prompt could not be enhanced. */
  enhanced: string | undefined
  price: number
  /** Of the person's own words, or of edited ones: these are not enhanced. */
  ownPrice: number
  private: boolean
  posted: Posted | undefined
}

/** Less than uploads are kept, because the pictures of a draft are uploads. */
export const draftMinutes = 60

/**
 * Enhances the prompt and keeps the request. It counts towards the account's requests per minute. Throws AppError for every
 * reason to refuse the request.
 */
export async function makeDraft(core: Core, submission: Submission): Promise<Draft> {
  const before = await draftBefore(core, submission.key)
  if (before) return before
  const { chosen, params, images } = submission
  const candidate = await candidateOf(core, { ...submission, params: { ...params, enhance: true } })
  const { error } = await judged(core, candidate)
  if (error) throw error
  const { userId } = candidate
  // before its pictures are read: bad ones count as well
  await takePace(core, userId, candidate)
  const { keys, first: input } = await keepPictures(core, candidate, images)
  const priceWith = (enhance: boolean) =>
    quote(core, { chosen, params: { ...params, enhance }, images: keys.length, input }).price
  const enhanced = await enhancedOf(core, params.prompt)
  return saveDraft(core, submission, { userId, price: priceWith(true), ownPrice: priceWith(false), keys, enhanced })
}

/** Keeps words that are drawn as they are, if the person wants that. Throws AppError for what no model draws. */
export async function makePlainDraft(core: Core, submission: Submission): Promise<Draft> {
  const plain = { ...submission, params: { ...submission.params, enhance: false } }
  const { userId, price } = await candidateOf(core, plain)
  return saveDraft(core, submission, { userId, price, ownPrice: price, keys: [] })
}

/** The draft that an earlier delivery of the same call made. */
export async function draftBefore(core: Core, key: string): Promise<Draft | undefined> {
  const row = await findDraft(core, eq(drafts.key, key))
  return row && draftOf(row)
}

interface Made {
  userId: string
  price: number
  ownPrice: number
  /** Keys of its pictures. */
  keys: readonly string[]
  enhanced?: string
}

async function saveDraft(core: Core, submission: Submission, made: Made): Promise<Draft> {
  const { key, chosen, parent } = submission
  const { userId, price, ownPrice, keys, enhanced } = made
  const params = { ...submission.params, model: chosen.model.id }
  await core.database.rows(sql`
    insert into drafts (id, key, user_id, private, parent, params, images, enhanced, price, own_price, expires_at)
    values (${uuidv7()}::uuid, ${key}, ${userId}::uuid,
      ${submission.private ?? false}::bool or exists (
        select from generations where id = ${parent?.id ?? null}::uuid and private),
      ${parent ? JSON.stringify(parent) : null}::jsonb, ${JSON.stringify(params)}::jsonb, ${JSON.stringify(keys)}::jsonb, ${enhanced ?? null}, ${price}::int, ${ownPrice}::int,
      now() + make_interval(mins => ${draftMinutes}::int))
    on conflict (key) do nothing`)
  const saved = await draftBefore(core, key)
  if (!saved) throw new AppError('draft_over')
  return saved
}

/**
 * Throws AppError draft_over when the draft has expired or another call has chosen, and not_yours when it belongs to another
 * person.
 */
export async function readDraft(core: Core, call: Pick<Call, 'from' | 'key'>, id: string): Promise<Draft> {
  return draftOf((await openDraft(core, call, id)).draft)
}

export async function saveDraftPosted(core: Core, id: string, posted: Posted): Promise<void> {
  await core.database.db.update(drafts).set({ posted }).where(eq(drafts.id, id))
}

/** The message that shows it, as the press reaches it: some platforms let what was posted be edited for minutes only. */
export const standsIn = ({ act }: Pick<Call, 'act'>, { posted }: Pick<Draft, 'posted'>): Posted | undefined =>
  act.kind === 'press' && act.on ? act.on.posted : posted

/** enhanced, own: which of the two prompts is drawn · words: the edited prompt, which is not enhanced again. */
export type DraftChoice = { kind: 'enhanced' | 'own' } | { kind: 'words'; prompt: string }

interface Choosing {
  id: string
  choice: DraftChoice
  call: Call
}

/** Throws AppError draft_over when another choice was made, or when the price is now higher than the buttons show. */
export async function submitDraft(core: Core, { id, choice, call }: Choosing): Promise<Accepted> {
  const { userId, draft } = await openDraft(core, call, id)
  const stored = draft.params as unknown as RequestParams
  const isEnhanced = choice.kind === 'enhanced' && draft.enhanced !== null
  const params: RequestParams = {
    ...stored,
    prompt: choice.kind === 'words' ? choice.prompt : stored.prompt,
    enhance: isEnhanced,
  }
  const { surface, place, locale } = call
  const words = params.prompt !== ''
  const submission: Submission = {
    key: `draft:${id}`,
    draft: { id, decidedBy: call.key },
    surface,
    address: call.address,
    place,
    locale,
    from: { userId },
    params,
    images: draft.images.map((key) => asAttachment(core, userId, key)),
    chosen: chooseModel(core, { name: stored.model, ...inputsOf(stored, draft.images.length), words }),
    private: draft.private,
    shownPrice: isEnhanced ? draft.price : (draft.ownPrice ?? draft.price),
    parent: (draft.parent as Submission['parent'] | null) ?? undefined,
    // a form is answered by a message of its own
    posted: choice.kind === 'words' ? undefined : standsIn(call, draftOf(draft)),
    ...(isEnhanced && { enhanced: draft.enhanced ?? undefined }),
  }
  const accepted = await submit(core, submission).catch((error: unknown) => {
    // its buttons cannot change, so there is nothing to agree to
    throw error instanceof AppError && error.kind === 'price_rose' ? new AppError('draft_over') : error
  })
  // another choice was accepted meanwhile: this one gets an answer of its own
  if (!accepted.fresh) await openDraft(core, call, id)
  return accepted
}

/** Removes drafts, with their words and pictures, once they have expired. */
export async function forgetOldDrafts(core: Core): Promise<void> {
  await core.database.rows(sql`
    with expired as (delete from drafts where expires_at < now() returning images)
    ${giveUpUploads(sql`select jsonb_array_elements_text(images) from expired`)}`)
}

type Row = typeof drafts.$inferSelect

/** A choice that was refused, for example for lack of credits, leaves it open. The call that chose may come again. */
async function openDraft(core: Core, { from, key }: Pick<Call, 'from' | 'key'>, id: string) {
  const userId = await accountOf(core, from)
  const row = isId(id) ? await findDraft(core, eq(drafts.id, id)) : undefined
  if (!row) throw new AppError('draft_over')
  if (row.userId !== userId) throw new AppError('not_yours')
  if (row.decidedBy !== null && row.decidedBy !== key) throw new AppError('draft_over')
  return { userId, draft: row }
}

async function findDraft(core: Core, which: ReturnType<typeof eq>): Promise<Row | undefined> {
  const [row] = await core.database.db
    .select()
    .from(drafts)
    .where(and(which, gt(drafts.expiresAt, sql`now()`)))
  return row
}

const draftOf = ({ id, params, enhanced, price, ownPrice, private: isPrivate, posted }: Row): Draft => ({
  id,
  prompt: (params as unknown as RequestParams).prompt,
  enhanced: enhanced ?? undefined,
  price,
  ownPrice: ownPrice ?? price,
  private: isPrivate,
  posted: (posted as Posted | null) ?? undefined,
})

/** Stores the pictures as uploads, which go with the draft: a platform's links may expire before the choice. */
async function keepPictures(
  core: Core,
  owner: Candidate,
  images: readonly Attachment[],
): Promise<{ keys: string[]; first?: ImageFile }> {
  if (images.length === 0) return { keys: [] }
  const files = await withReservation(core, owner, (reservation) => readInputs(core, reservation, images))
  // not the operator's key, so that the limits for people apply
  const sender = { userId: owner.userId, keyId: 'chat' }
  const uploads = await storeCleaned(core, sender, files)
  return { keys: uploads.map(({ key }) => key), first: files[0] }
}

const asAttachment = (core: Core, userId: string, key: string): Attachment => ({
  name: key,
  load: async () => {
    const data = await ownPicture(core, userId, key)
    if (!data) throw new AppError('draft_over')
    return data
  },
})
