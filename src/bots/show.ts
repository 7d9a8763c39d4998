/** Posts an answer, and records the message that it became. */
import type { Core } from '../core/core.ts'
import { AppError } from '../core/errors.ts'
import { showCancelled } from '../core/generation/cancel.ts'
import { saveDraftPosted } from '../core/generation/drafts.ts'
import { savePosted } from '../core/generation/row.ts'
import { sentMessages } from '../core/generation/sent-messages.ts'
import { firstWait } from '../core/history/estimate.ts'
import type { Address, Call, ChatSurface, Posted, Reply } from '../core/ports/chat.ts'
import { wordsFor } from '../locales/index.ts'
import type { Answer } from './command.ts'

/** A reply that cannot be shown is lost; the end of a generation is not, since deliver.ts posts it again. */
export async function show(core: Core, call: Call, answer: Answer): Promise<void> {
  const surface = core.surfaces.get(call.surface)
  if (!surface) return
  const { accepted, shows, newButtons, inPlace, drafted, elsewhere, chosenIn, confidential: _, ...given } = answer
  const { surface: name, key } = call
  const reply: Reply = accepted?.private ? { ...given, private: true } : given
  try {
    await changePressed(surface, call, newButtons, core.log)
    if (inPlace && (await replacePressed(surface, call, reply, core.log))) return
    if (accepted && reply.content.kind === 'queued') {
      reply.content = { ...reply.content, ...(await firstWait(core, accepted)) }
    }
    const sent = shows === undefined ? undefined : await sentMessages(core, { id: shows, surface: name, askedBy: key })
    const isChosen = call.act.kind === 'press' && chosenIn
    const replaced = isChosen ? undefined : call.posted
    // a private answer never becomes a message that others may see
    const becoming = isChosen ? chosenIn.posted : elsewhere ? undefined : replaced
    const posted = becoming
      ? await become(surface, { posted: becoming, address: call.address }, reply)
      : await surface.post(elsewhere?.address ?? call.address, reply, sent)
    if (drafted) await saveDraftPosted(core, drafted, posted)
    const place = reply.content.kind === 'queued' ? reply.content.place : undefined
    const state = accepted && (await savePosted(core, accepted.id, { posted, place }))
    // cancelled before its message was known
    if (accepted && state === 'cancelled') await showCancelled(core, { ...accepted, ...call, posted })
    if (elsewhere) await postInto(surface, { posted: replaced, address: call.address }, elsewhere.notice)
    if (isChosen) await surface.post(call.address, toastOf(call))
    else if (chosenIn?.posted) await close(surface, chosenIn.posted, chosenIn.closed, core.log)
  } catch (error) {
    core.log.warn({ err: error, surface: call.surface }, 'could not show a reply')
  }
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
