/** Call → command or action → reply, on every surface. The one place where errors become answers in a chat. */
import { accountOf } from '../core/accounts/accounts.ts'
import { parseButton } from '../core/chats/buttons.ts'
import type { Core } from '../core/core.ts'
import { AppError, asAppError } from '../core/errors.ts'
import { showCancelled } from '../core/generation/cancel.ts'
import { savePosted } from '../core/generation/row.ts'
import { wake, wakeAgain } from '../core/generation/submit.ts'
import { outcomeOf } from '../core/history/outcome.ts'
import type { Act, Call, Reply } from '../core/ports/chat.ts'
import { wordsFor } from '../locales/index.ts'
import type { Action } from './action.ts'
import { type Answer, type AnyCommand, findCommand, type Permission } from './command.ts'
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
      return runAction(core, handlers, call, act.button)
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
  return command.run({ core, call, words: wordsFor(call.locale), values, images: call.images })
}

async function runAction(core: Core, { actions }: Handlers, call: Call, pressed: string): Promise<Answer> {
  const button = parseButton(pressed)
  const action = button && actions.find(({ name }) => name === button.action)
  if (!button || !action) throw new AppError('unknown_button')
  if (action.who === 'asker') await assertAsker(core, call, button.ref)
  else assertPermission(core, call, action.who)
  return action.run({ core, call, words: wordsFor(call.locale), values: { ref: button.ref }, images: [] })
}

function assertPermission(core: Core, { from, place }: Call, needs: Permission): void {
  if (needs === 'everyone' || core.isAdmin(from.id)) return
  if (needs === 'admin') throw new AppError('admins_only', { identity: from.id })
  if (!place.manager) throw new AppError('managers_only')
}

/** Throws AppError unknown_button when the request is gone, not_yours. */
async function assertAsker(core: Core, { from }: Call, id: string): Promise<void> {
  if (!(await outcomeOf(core, null, id))) throw new AppError('unknown_button')
  if (core.isAdmin(from.id) || (await outcomeOf(core, await accountOf(core, from), id))) return
  throw new AppError('not_yours')
}

/** A reply that cannot be shown is lost; the end of a generation is not, since deliver.ts posts it again. */
async function show(core: Core, call: Call, answer: Answer): Promise<void> {
  const { accepted, ...reply } = answer
  try {
    const posted = await core.surfaces.get(call.surface)?.post(call.address, reply satisfies Reply)
    if (!accepted || !posted) return
    const state = await savePosted(core, accepted.id, posted)
    // cancelled before its message was known
    if (state === 'cancelled') await showCancelled(core, { ...accepted, ...call, posted })
  } catch (error) {
    core.log.warn({ err: error, surface: call.surface }, 'could not show a reply')
  }
}
