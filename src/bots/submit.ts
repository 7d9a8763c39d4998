/** Submits what a call asks for, and answers with the message that waits for it. */
import type { Core } from '../core/core.ts'
import type { Submission } from '../core/generation/accept.ts'
import { makeDraft } from '../core/generation/drafts.ts'
import { promptOf, waitingReply } from '../core/generation/replies.ts'
import { readResult } from '../core/generation/result.ts'
import { submit } from '../core/generation/submit.ts'
import type { Call } from '../core/ports/chat.ts'
import { wordsFor } from '../locales/index.ts'
import { asideOf } from './aside.ts'
import type { Answer } from './command.ts'
import { draftReply } from './drafts.ts'

type Wanted = Pick<Submission, 'params' | 'images' | 'chosen' | 'parent' | 'shownPrice' | 'private'>

export async function submitFor(core: Core, call: Call, wanted: Wanted): Promise<Answer> {
  const { submission, going } = await submissionOf(core, call, wanted)
  const { locale } = call
  const accepted = await submit(core, submission)
  const asked = { id: accepted.id, locale, request: accepted.request }
  return { ...waitingReply(asked, { kind: 'queued', prompt: promptOf(asked) }), accepted, ...going }
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
  const { key, surface, address, place, locale, from } = call
  const submission = { key, surface, address, place, locale, from, ...wanted }
  const elsewhere = (await isPrivate(core, wanted)) ? await asideOf(core, call) : undefined
  return elsewhere
    ? { submission: { ...submission, address: elsewhere.address }, going: { elsewhere } }
    : { submission }
}

/** What starts from a private result is private, too. */
async function isPrivate(core: Core, { private: wanted = false, parent }: Wanted): Promise<boolean> {
  if (wanted || !parent) return wanted
  return (await readResult(core, parent.id))?.private ?? false
}
