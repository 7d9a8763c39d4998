/** Call → command or action → reply, on every surface. The one place where errors become answers in a chat. */

import type { Ref } from '../core/chats/buttons.ts'
import type { Core } from '../core/core.ts'
import { AppError, asAppError } from '../core/errors.ts'
import { showCancelled } from '../core/generation/cancel.ts'
import { savePosted } from '../core/generation/row.ts'
import { sentMessages } from '../core/generation/sent-messages.ts'
import { wake, wakeAgain } from '../core/generation/submit.ts'
import { firstWait } from '../core/history/estimate.ts'
import type { Act, Call, PressedMessage, Reply } from '../core/ports/chat.ts'
import { assertAsker, assertViewer } from '../core/results/access.ts'
import { withOriginals } from '../core/results/originals.ts'
import { quoteAnew } from '../core/results/quotes.ts'
import { wordsFor } from '../locales/index.ts'
import { type Action, findAction } from './action.ts'
import { type Answer, type AnyCommand, findCommand, type Permission } from './command.ts'
import { submittedTo } from './form.ts'
import { valuesOf } from './options.ts'

export interface Handlers {
  commands: readonly AnyCommand[]
  actions: readonly Action[]
}

/** Plain text is a request. */
const defaultCommand = 'flux'

/** Each act reaches it once at a time (inbox.ts), and again if the process that had it died: effects carry the call's key. */
export function createDispatch(core: Core, handlers: Handlers): (call: Call) => Promise<void> {
  return async (call) => {
    const answer = await answerTo(core, handlers, call)
    // accepted before a crash or in another process: it is under way and shows that itself
    if (answer.accepted?.fresh === false) return wakeAgain(core, answer.accepted.job)
    await show(core, call, answer)
    if (answer.accepted) await wake(core, answer.accepted.job)
  }
}

async function answerTo(core: Core, handlers: Handlers, call: Call): Promise<Answer> {
  try {
    if (call.isAnonymous) throw new AppError('anonymous')
    return await run(core, handlers, call, call.act)
  } catch (thrown) {
    const { kind, data, cause } = asAppError(thrown)
    if (kind === 'internal') core.log.error({ err: cause, act: call.act.kind, surface: call.surface }, 'an act failed')
    return { locale: call.locale, state: 'failed', content: { kind: 'refusal', error: kind, data }, private: true }
  }
}

function run(core: Core, handlers: Handlers, call: Call, act: Act): Promise<Answer> {
  switch (act.kind) {
    case 'message':
      return runCommand(core, handlers, call, { name: defaultCommand, text: act.text, options: {} })
    case 'command':
      return runCommand(core, handlers, call, act)
    case 'press':
      return runAction(core, handlers, call, { button: act.button, on: act.on })
    case 'form':
      return runAction(core, handlers, call, { button: act.form, submission: act })
  }
}

type CommandAct = Omit<Extract<Act, { kind: 'command' }>, 'kind'>

async function runCommand(
  core: Core,
  { commands }: Handlers,
  call: Call,
  { name, text, options }: CommandAct,
): Promise<Answer> {
  const command = findCommand(commands, name)
  if (!command) throw new AppError('unknown_command', { name })
  // the declaration gives the values their types; a list of commands cannot keep them
  const values = valuesOf(command, text, options) as never
  assertPermission(core, call, typeof command.needs === 'function' ? command.needs(values) : command.needs)
  const originals = await withOriginals(core, call)
  return command.run({ core, call, words: wordsFor(call.locale), values, ...originals })
}

interface Use {
  button: string
  on?: PressedMessage
  /** Absent: the button was pressed. */
  submission?: Extract<Act, { kind: 'form' }>
}

async function runAction(core: Core, { actions }: Handlers, call: Call, use: Use): Promise<Answer> {
  const { button, submission } = use
  const found = findAction(actions, button)
  if (!found) throw new AppError('unknown_button')
  const { action, ref } = found
  await assertMayUse(core, call, { ...found, on: use.on })
  const values = { ref: ref.id, number: ref.number, fields: {} }
  const asked = { core, call, words: wordsFor(call.locale), values, images: [] }
  if (!action.form) {
    if (submission) throw new AppError('unknown_button')
    return withTodaysPrices(core, call, { id: ref.id, answer: () => action.run(asked) })
  }
  const form = await action.form.make(asked)
  if (submission) return action.run({ ...asked, values: { ...values, fields: submittedTo(form, submission) } })
  return { locale: call.locale, state: 'info', content: { kind: 'text', text: form.title }, private: true, form }
}

/** A press that is refused because the price rose shows it on the buttons, so that the next press agrees to it. */
async function withTodaysPrices(
  core: Core,
  { locale }: Call,
  { id, answer }: { id: string; answer: () => Promise<Answer> },
): Promise<Answer> {
  try {
    return await answer()
  } catch (thrown) {
    if (!(thrown instanceof AppError) || thrown.kind !== 'price_rose') throw thrown
    const newButtons = await quoteAnew(core, id)
    const { kind: error, data } = thrown
    return { locale, state: 'failed', content: { kind: 'refusal', error, data }, private: true, newButtons }
  }
}

interface Used {
  action: Action
  ref: Ref
  on?: PressedMessage
}

async function assertMayUse(core: Core, call: Call, { action, ref, on }: Used): Promise<void> {
  if (action.who === 'asker') await assertAsker(core, call, ref.id)
  else if (action.who === 'viewer') await assertViewer(core, { ...call, on }, ref.id)
  else assertPermission(core, call, action.who)
}

function assertPermission(core: Core, { from, place }: Call, needs: Permission): void {
  if (needs === 'everyone' || core.isAdmin(from.id)) return
  if (needs === 'admin') throw new AppError('admins_only', { identity: from.id })
  if (!place.manager) throw new AppError('managers_only')
}

/** A reply that cannot be shown is lost; the end of a generation is not, since deliver.ts posts it again. */
async function show(core: Core, call: Call, answer: Answer): Promise<void> {
  const { accepted, shows, newButtons, inPlace, ...reply } = answer
  const { surface: name, key, address } = call
  const surface = core.surfaces.get(name)
  try {
    await changePressed(core, call, newButtons)
    if (inPlace && (await replacePressed(core, call, reply))) return
    const sent = shows === undefined ? undefined : await sentMessages(core, { id: shows, surface: name, askedBy: key })
    if (accepted && reply.content.kind === 'queued') {
      reply.content = { ...reply.content, ...(await firstWait(core, accepted)) }
    }
    const posted = await surface?.post(address, reply satisfies Reply, sent)
    if (!accepted || !posted) return
    const state = await savePosted(core, accepted.id, posted)
    // cancelled before its message was known
    if (state === 'cancelled') await showCancelled(core, { ...accepted, ...call, posted })
  } catch (error) {
    core.log.warn({ err: error, surface: name }, 'could not show a reply')
  }
}

/** False: there is no message to replace. */
async function replacePressed(
  core: Core,
  { act, surface: name, address, locale }: Call,
  reply: Reply,
): Promise<boolean> {
  const surface = core.surfaces.get(name)
  if (act.kind !== 'press' || !act.on || !surface) return false
  try {
    await surface.edit(act.on.posted, reply)
  } catch (error) {
    core.log.debug({ err: error, surface: name }, 'could not replace a message')
    return false
  }
  // ends the waiting of the button
  const content = { kind: 'text', text: '' } as const
  await surface.post(address, { locale, state: 'info', content, private: true, toast: true })
  return true
}

/** The reply is shown even if the message is gone. */
async function changePressed(core: Core, { act, surface, locale }: Call, buttons: Answer['newButtons']): Promise<void> {
  if (act.kind !== 'press' || !act.on || !buttons) return
  try {
    await core.surfaces.get(surface)?.changeButtons(act.on.posted, { locale, buttons })
  } catch (error) {
    core.log.debug({ err: error, surface }, 'could not change the buttons of a message')
  }
}
