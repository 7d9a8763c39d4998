/** Submits what a call asks for, and answers with the message that waits for it. */
import type { Core } from '../core/core.ts'
import type { Submission } from '../core/generation/accept.ts'
import { promptOf, waitingReply } from '../core/generation/replies.ts'
import { submit } from '../core/generation/submit.ts'
import type { Call } from '../core/ports/chat.ts'
import type { Answer } from './command.ts'

type Wanted = Pick<Submission, 'params' | 'images' | 'chosen' | 'parent' | 'shownPrice'>

export async function submitFor(core: Core, call: Call, wanted: Wanted): Promise<Answer> {
  const { key, surface, address, place, locale, from } = call
  const accepted = await submit(core, { key, surface, address, place, locale, from, ...wanted })
  const asked = { id: accepted.id, locale, request: accepted.request }
  return { ...waitingReply(asked, { kind: 'queued', prompt: promptOf(asked) }), accepted }
}
