/** Submits what a call asks for, and answers with the message that waits for it. */
import { accountOf } from '../core/accounts/accounts.ts'
import type { Core } from '../core/core.ts'
import { AppError } from '../core/errors.ts'
import type { Submission } from '../core/generation/accept.ts'
import { makeDraft } from '../core/generation/drafts.ts'
import { promptOf, waitingReply } from '../core/generation/replies.ts'
import { readKept, type StoredResult } from '../core/generation/result.ts'
import { submit } from '../core/generation/submit.ts'
import type { Call } from '../core/ports/chat.ts'
import { agreeTo, shownPrice as priceShown, showPrices } from '../core/results/quotes.ts'
import { wordsFor } from '../locales/index.ts'
import { asideOf } from './aside.ts'
import type { Answer } from './command.ts'
import { draftReply } from './drafts.ts'

type Wanted = Pick<Submission, 'params' | 'images' | 'mask' | 'chosen' | 'parent' | 'shownPrice' | 'private'>

export async function submitFor(core: Core, call: Call, wanted: Wanted): Promise<Answer> {
  const { submission, going } = await submissionOf(core, call, wanted)
  const { locale } = call
  const accepted = await submit(core, submission)
  const asked = { id: accepted.id, locale, request: accepted.request }
  return { ...waitingReply(asked, { kind: 'queued', prompt: promptOf(asked) }), accepted, ...going }
}

/**
 * Prices that a form shows to the person who opens it, by the names of offers. A submission makes the form anew but shows it to no person,
 * who may have agreed to a higher price since.
 */
export async function showOffers(
  core: Core,
  call: Call,
  { id, prices }: { id: string; prices: readonly (readonly [offer: string, price: number])[] },
): Promise<void> {
  if (call.act.kind === 'form') return
  await showPrices(core, { id, userId: await accountOf(core, call.from), prices: Object.fromEntries(prices) })
}

interface Offered extends Omit<Wanted, 'shownPrice'> {
  result: StoredResult
  /** Names of the offer, as prices are kept under (quotes.ts). */
  offers: readonly string[]
  /** How often its price is paid. */
  times?: number
}

/** Submits what a button or a form of a result offers, for no more than the person was shown. */
export async function submitOffer(
  core: Core,
  call: Call,
  { result, offers, times = 1, ...wanted }: Offered,
): Promise<Answer> {
  const userId = await accountOf(core, call.from)
  const asking = { userId, key: call.key, offers }
  const shown = priceShown(result, asking)
  try {
    return await submitFor(core, call, { ...wanted, shownPrice: shown === undefined ? undefined : shown * times })
  } catch (error) {
    if (shown !== undefined && error instanceof AppError && error.kind === 'price_rose') {
      await agreeTo(core, {
        ...asking,
        id: result.id,
        price: Math.ceil(Number(error.data.price) / times),
        before: shown,
      })
    }
    throw error
  }
}

/** Shows the enhanced prompt first. Nothing is held before the person has chosen. */
export async function draftFor(core: Core, call: Call, wanted: Wanted): Promise<Answer> {
  const { submission, going } = await submissionOf(core, call, wanted)
  const draft = await makeDraft(core, submission)
  return { ...draftReply(wordsFor(call.locale), call.locale, draft), ...going }
}

interface Going {
  submission: Submission
  going?: Pick<Answer, 'elsewhere'>
}

/** Throws AppError cannot_write_privately before credits move, if the bot may not write to the person in private. */
async function submissionOf(core: Core, call: Call, wanted: Wanted): Promise<Going> {
  const { key, surface, address, place, locale, from, shownPrice, posted } = call
  const submission = { key, surface, address, place, locale, from, shownPrice, posted, ...wanted }
  const elsewhere = (await isPrivate(core, wanted)) ? await asideOf(core, call) : undefined
  return elsewhere
    ? { submission: { ...submission, address: elsewhere.address, posted: undefined }, going: { elsewhere } }
    : { submission }
}

/** What starts from a private result is private, too. */
async function isPrivate(core: Core, { private: wanted = false, parent }: Wanted): Promise<boolean> {
  if (wanted || !parent) return wanted
  return (await readKept(core, parent.id))?.private ?? false
}
