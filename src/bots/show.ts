/** Posts an answer, and records the message that it became. */
import { asPutOff } from '../core/chats/pace.ts'
import type { Core } from '../core/core.ts'
import { AppError, isPutOff, shortestPauseMs } from '../core/errors.ts'
import { showCancelled } from '../core/generation/cancel.ts'
import { saveDraftPosted } from '../core/generation/drafts.ts'
import { removeSurplus, savePosted, sentMessages } from '../core/generation/sent-messages.ts'
import { firstWait } from '../core/history/estimate.ts'
import type { Address, Call, ChatSurface, Posted, Reply } from '../core/ports/chat.ts'
import { wordsFor } from '../locales/index.ts'
import type { Answer } from './command.ts'

/**
 * Thrown by a handler whose chat has no room for the answer. The act is claimed meanwhile, so that only `again` runs after the pause. If the
 * process stops or dies, another one handles the act from the start.
 */
export class Later extends Error {
  readonly afterMs: number
  readonly again: () => Promise<unknown>
  /** The answer itself is posted, so that the act is over: it is not handled again. */
  readonly isAnswered: boolean
  constructor(afterMs: number, { again, isAnswered }: Pick<Later, 'again' | 'isAnswered'>) {
    super(`the chat has room in ${Math.ceil(afterMs / 1000)} s`)
    this.afterMs = Math.max(shortestPauseMs, afterMs)
    this.again = again
    this.isAnswered = isAnswered
  }
}

/**
 * A reply that cannot be shown is lost; the end of a generation is not, since deliver.ts posts it again. Rejects with `Later` if the chat
 * has no room now.
 */
export async function show(core: Core, call: Call, answer: Answer): Promise<void> {
  const surface = core.surfaces.get(call.surface)
  if (!surface) return
  await sooner(core, call, {
    step: async () => {
      const posted = await showReply(core, { surface, call, answer })
      if (posted)
        await sooner(core, call, { step: () => showRest(surface, { call, answer, log: core.log }), isAnswered: true })
    },
  }).catch(async (error: unknown) => {
    // the reply may be put off for a minute, and the pressed button must not wait for it
    if (call.act.kind === 'press') await surface.seen?.(call.address)
    throw error
  })
}

interface Step {
  step(): Promise<void>
  isAnswered?: boolean
}

/** Turns a pause that the chat asks for into `Later`, which makes the step again. */
async function sooner(core: Core, call: Call, { step, isAnswered = false }: Step): Promise<void> {
  try {
    await step()
  } catch (error) {
    if (error instanceof Later) throw error
    if (isPutOff(error)) {
      const again = () => asPutOff(() => sooner(core, call, { step, isAnswered }))
      throw new Later(error.retryAfterMs, { again, isAnswered })
    }
    core.log.warn({ err: error, surface: call.surface }, 'could not show a reply')
  }
}

interface Showing {
  surface: ChatSurface
  call: Call
  answer: Answer
}

/** Nothing was posted if it rejects with a pause. False: the answer needs no further message. */
async function showReply(core: Core, { surface, call, answer }: Showing): Promise<boolean> {
  const { accepted, newButtons, inPlace, drafted } = answer
  const reply = replyOf(answer)
  await changePressed(surface, call, newButtons, core.log)
  if (inPlace && (await replacePressed(surface, call, reply, core.log))) return false
  if (accepted && reply.content.kind === 'queued') {
    reply.content = { ...reply.content, ...(await firstWait(core, accepted)) }
  }
  const before = becomes(call, answer)
  const posted = await postReply(core, { surface, call, answer }, { reply, before }).catch(async (error: unknown) => {
    // the result can be posted without a waiting message, and then uses the room that this one would have taken
    if (!accepted || !isPutOff(error)) throw error
    core.log.debug({ id: accepted.id, surface: surface.name }, 'did not post a waiting message: its chat has no room')
    await surface.seen?.(call.address)
    return undefined
  })
  if (posted === undefined) return true
  if (drafted) await saveDraftPosted(core, drafted, posted)
  const place = reply.content.kind === 'queued' ? reply.content.place : undefined
  const saved = accepted && (await savePosted(core, accepted.id, { posted, before, place }))
  if (!accepted || !saved) return true
  if (before === undefined && saved.posted !== posted && surface.postsAnew)
    await removeSurplus(core, surface.name, posted)
  // ended before its message was known
  else if (saved.state === 'cancelled' || saved.state === 'failed')
    await showCancelled(core, { ...accepted, ...call, posted })
  return true
}

function replyOf({
  accepted,
  shows: _shows,
  newButtons: _,
  inPlace: _in,
  drafted: _d,
  elsewhere: _e,
  chosenIn: _c,
  confidential: _f,
  ...given
}: Answer): Reply {
  return accepted?.private ? { ...given, private: true } : given
}

const isChosen = ({ act }: Call, { chosenIn }: Answer) => act.kind === 'press' && chosenIn !== undefined

/** The message that becomes the reply. A private answer never becomes a message that others may see. */
function becomes(call: Call, answer: Answer): Posted | undefined {
  if (isChosen(call, answer)) return answer.chosenIn?.posted
  return answer.elsewhere ? undefined : call.posted
}

async function postReply(
  core: Core,
  { surface, call, answer: { shows, elsewhere } }: Showing,
  { reply, before }: { reply: Reply; before: Posted | undefined },
): Promise<Posted> {
  if (before) return become(surface, { posted: before, address: call.address }, reply)
  const showing = shows === undefined ? undefined : { id: shows, surface: surface.name, askedBy: call.key }
  const sent = showing && (await sentMessages(core, showing))
  return surface.post(elsewhere?.address ?? call.address, reply, sent)
}

/** What follows the answer. */
async function showRest(surface: ChatSurface, { call, answer, log }: { call: Call; answer: Answer; log: Core['log'] }) {
  const { elsewhere, chosenIn } = answer
  const { address } = call
  if (elsewhere) {
    await postInto(surface, { posted: isChosen(call, answer) ? undefined : call.posted, address }, elsewhere.notice)
  }
  if (isChosen(call, answer)) await surface.post(address, toastOf(call))
  else if (chosenIn?.posted) await close(surface, chosenIn.posted, chosenIn.closed, log)
}

/** False: there is no message to replace. */
async function replacePressed(
  surface: ChatSurface,
  { act, address }: Call,
  reply: Reply,
  log: Core['log'],
): Promise<boolean> {
  if (act.kind !== 'press' || !act.on) return false
  try {
    await surface.edit(act.on.posted, reply)
  } catch (error) {
    if (isPutOff(error)) throw error
    log.debug({ err: error, surface: surface.name }, 'could not replace a message')
    return false
  }
  await surface.seen?.(address)
  return true
}

/** The reply is shown even if the message is gone. */
async function changePressed(
  surface: ChatSurface,
  { act, locale }: Call,
  buttons: Answer['newButtons'],
  log: Core['log'],
): Promise<void> {
  if (act.kind !== 'press' || !act.on || !buttons) return
  try {
    await surface.changeButtons(act.on.posted, { locale, buttons })
  } catch (error) {
    if (isPutOff(error)) throw error
    log.debug({ err: error, surface: surface.name }, 'could not change the buttons of a message')
  }
}

const postInto = (surface: ChatSurface, { posted, address }: { posted?: Posted; address: Address }, reply: Reply) =>
  posted ? become(surface, { posted, address }, reply) : surface.post(address, reply)

/** A message that can no longer be edited is posted anew. */
async function become(
  surface: ChatSurface,
  { posted, address }: { posted: Posted; address: Address },
  reply: Reply,
): Promise<Posted> {
  return surface.edit(posted, reply).catch((error: unknown) => {
    if (!(error instanceof AppError) || error.kind !== 'chat_refused') throw error
    return surface.post(address, reply)
  })
}

/** The answer stands elsewhere, so that this one may fail: some platforms let a message be edited for minutes only. */
async function close(surface: ChatSurface, posted: Posted, closed: Reply, log: Core['log']): Promise<void> {
  try {
    await surface.edit(posted, closed)
  } catch (error) {
    log.debug({ err: error, surface: surface.name }, 'could not close the message of a draft')
  }
}

/** Some platforms wait for an answer to the press itself. */
function toastOf({ locale }: Call): Reply {
  const content = { kind: 'text', text: wordsFor(locale).toasts.chosen } as const
  return { locale, state: 'info', content, private: true, toast: true }
}
