/** Call → command or action → reply, on every surface. The one place where errors become answers in a chat. */
import { readSettings, type SettingsInForce } from '../core/accounts/settings.ts'
import { claimRole } from '../core/billing/roles.ts'
import type { Ref } from '../core/chats/buttons.ts'
import { managesGroup } from '../core/chats/managers.ts'
import { notePrivateChat } from '../core/chats/private-chats.ts'
import { assertWorksIn } from '../core/chats/rules.ts'
import type { Core } from '../core/core.ts'
import { AppError, asAppError } from '../core/errors.ts'
import { wake, wakeAgain } from '../core/generation/submit.ts'
import type { Act, Call, MessageName, Typing } from '../core/ports/chat.ts'
import type { Payment, Purchase } from '../core/ports/payments.ts'
import { assertAsker, assertViewer } from '../core/results/access.ts'
import { withOriginals } from '../core/results/originals.ts'
import { quoteAnew } from '../core/results/quotes.ts'
import { takeBack } from '../core/results/take-back.ts'
import { note, traced } from '../core/trace.ts'
import { wordsFor } from '../locales/index.ts'
import { type Action, findAction } from './action.ts'
import { asideOf } from './aside.ts'
import { receivePayment } from './buying/payment.ts'
import { receivePurchase } from './buying/purchase.ts'
import { type Answer, type AnyCommand, commandsOn, findCommand, type Permission } from './command.ts'
import { submittedTo } from './form.ts'
import type { Menu } from './menus/menu.ts'
import { valuesOf } from './options.ts'
import { isPictureAlone, offerFor } from './photos/offer.ts'
import { show } from './show.ts'
import { suggestionsFor } from './suggest/suggest.ts'

export interface Handlers {
  commands: readonly AnyCommand[]
  actions: readonly Action[]
  /** Entries in the menus of messages. Absent: the surfaces have none. */
  menus?: readonly Menu[]
}

/** Plain text is a request. */
const defaultCommand = 'flux'

/** Each act reaches it once at a time (inbox.ts), and again if the process that had it died: effects carry the call's key. */
export function createDispatch(core: Core, handlers: Handlers): (call: Call) => Promise<void> {
  return async (received) => {
    const { act } = received
    if (act.kind === 'suggest') return offer(core, handlers, { call: received, typing: act })
    return traced('dispatch', { surface: received.surface, act: act.kind }, async () => {
      if (act.kind === 'payment') return receivePayment(core, received, act)
      if (act.kind === 'purchase') return receivePurchase(core, received, act)
      if (received.edits && !isRequest(handlers, act)) return
      return handle({ core, handlers, call: received }, act)
    })
  }
}

async function handle(running: Omit<Running, 'settings'>, act: Answered): Promise<void> {
  const { core, call: received } = running
  await notePrivateChat(core, received).catch((error: unknown) =>
    core.log.warn({ err: error }, 'could not note a chat'),
  )
  const { call, answer } = await answerTo(running, act)
  // accepted before a crash or in another process: it is under way and shows that itself
  if (answer.accepted?.fresh === false) {
    await core.surfaces.get(call.surface)?.seen?.(call.address)
    return wakeAgain(core, answer.accepted.job)
  }
  try {
    await show(core, call, answer)
  } finally {
    if (answer.accepted) await wake(core, answer.accepted.job)
  }
}

async function offer(core: Core, { commands }: Handlers, asked: { call: Call; typing: Typing }): Promise<void> {
  const { surface, address } = asked.call
  await core.surfaces.get(surface)?.offer?.(address, await suggestionsFor(core, commands, asked))
}

/** Acts that are answered with a reply. */
type Answered = Exclude<Act, Typing | Payment | Purchase>

function isRequest({ commands }: Handlers, act: Act): boolean {
  if (act.kind !== 'command') return act.kind === 'message'
  return findCommand(commands, act.name)?.isRequest === true
}

/** The call as it is answered: in the language that the person or the group has set, if any. */
export async function answerTo(
  { core, handlers, call: received }: Omit<Running, 'settings'>,
  act: Answered,
): Promise<{ call: Call; answer: Answer }> {
  let call = received
  try {
    if (call.isAnonymous) throw new AppError('anonymous')
    const settings = await readSettings(core, call)
    call = { ...call, locale: settings.chosen.language ?? call.locale }
    await claimDue(core, call, settings)
    const before = call.edits ? await takeBack(core, call) : undefined
    if (before?.posted) call = { ...call, posted: before.posted }
    const answer = await run({ core, handlers, call, settings }, act)
    return { call, answer: answer.confidential ? { ...answer, elsewhere: await asideOf(core, call) } : answer }
  } catch (thrown) {
    const { kind, data, cause } = asAppError(thrown)
    note({ error: kind })
    if (kind === 'internal') core.log.error({ err: cause, act: act.kind, surface: call.surface }, 'an act failed')
    const content = { kind: 'refusal', error: kind, data } as const
    if (kind === 'not_here') call = await aloneWith(core, call)
    return { call, answer: { locale: call.locale, state: 'failed', content, private: true } }
  }
}

/** The act of a person does not depend on it. */
async function claimDue(core: Core, call: Call, { rules }: SettingsInForce): Promise<void> {
  await claimRole(core, call, rules).catch((error: unknown) =>
    core.log.warn({ err: error }, 'could not give the daily credits of a role'),
  )
}

/** A message is answered by a message, which all of the channel would see: where the bot does not work, the person alone gets it. */
async function aloneWith(core: Core, call: Call): Promise<Call> {
  if (call.act.kind !== 'message') return call
  const address = await core.surfaces
    .get(call.surface)
    ?.privately?.(call.address, call.from)
    .catch(() => undefined)
  return address === undefined ? call : { ...call, address }
}

/** What a call runs with. */
interface Running {
  core: Core
  handlers: Handlers
  call: Call
  settings: SettingsInForce
}

async function run(running: Running, act: Answered): Promise<Answer> {
  switch (act.kind) {
    case 'message':
      return (
        (await answerToPicture(running)) ?? runCommand(running, { name: defaultCommand, text: act.text, options: {} })
      )
    case 'command':
      return runCommand(running, act)
    case 'menu':
      return runMenu(running, act)
    case 'press':
      return runAction(running, { button: act.button, on: act.on?.name })
    case 'form':
      return runAction(running, { button: act.form, submission: act, on: act.on })
  }
}

/** undefined: it is no picture without words. */
async function answerToPicture({ core, handlers: { commands }, call, settings }: Running): Promise<Answer | undefined> {
  if (!isPictureAlone(core, call)) return undefined
  const { images } = call
  return offerFor({ core, call, words: wordsFor(call.locale), values: {}, images, settings, commands })
}

type CommandAct = Omit<Extract<Act, { kind: 'command' }>, 'kind'>

async function runCommand(
  { core, handlers: { commands }, call, settings }: Running,
  { name, text, options }: CommandAct,
): Promise<Answer> {
  const command = findCommand(commandsOn(call.surface, commands), name)
  if (!command) throw new AppError('unknown_command', { name })
  note({ command: command.name })
  if (command.groupsOnly && !call.place.group) throw new AppError('groups_only')
  // what only the person sees disturbs no channel
  if (command.audience !== 'private') assertWorksIn(core, call, settings.rules)
  // the declaration gives the values their types; a list of commands cannot keep them
  const values = valuesOf(command, text, options) as never
  const needs = typeof command.needs === 'function' ? command.needs(values) : command.needs
  await assertPermission(core, call, needs)
  // what administrators read about people; it is refused before the command takes effect
  const elsewhere = needs === 'admin' ? await asideOf(core, call) : undefined
  const originals = await withOriginals(core, call)
  const answer = await command.run({
    core,
    call,
    words: wordsFor(call.locale),
    values,
    settings,
    commands,
    ...originals,
  })
  return elsewhere ? { ...answer, elsewhere } : answer
}

async function runMenu(
  { core, handlers: { menus = [], commands }, call, settings }: Running,
  { menu: name, ref }: Extract<Act, { kind: 'menu' }>,
): Promise<Answer> {
  const menu = menus.find((each) => each.name === name)
  if (!menu) throw new AppError('unknown_command', { name })
  assertWorksIn(core, call, settings.rules)
  const originals = await withOriginals(core, call)
  return menu.run({ core, call, words: wordsFor(call.locale), values: { ref }, settings, commands, ...originals })
}

interface Use {
  button: string
  /** The message with the button. */
  on?: MessageName
  /** Absent: the button was pressed. */
  submission?: Extract<Act, { kind: 'form' }>
}

async function runAction({ core, handlers, call, settings }: Running, use: Use): Promise<Answer> {
  const { button, submission } = use
  const found = findAction(handlers.actions, button)
  if (!found) throw new AppError('unknown_button')
  const { action, ref } = found
  await assertMayUse(core, call, { ...found, on: use.on })
  const values = { ref: ref.id, number: ref.number, fields: {} }
  const { commands } = handlers
  const originals = await withOriginals(core, call)
  const asked = { core, call, words: wordsFor(call.locale), values, settings, commands, ...originals }
  if (!action.form) {
    if (submission) throw new AppError('unknown_button')
    return withTodaysPrices(core, call, { id: ref.id, answer: () => action.run(asked) })
  }
  const form = await action.form.make(asked)
  if (submission) {
    // pictures of the message that a menu is about are not part of the form
    const added = call.images.filter(({ shownIn }) => !shownIn).length
    const submitted = { ...asked, values: { ...values, fields: submittedTo(form, submission, added) } }
    return withTodaysPrices(core, call, { id: ref.id, answer: () => action.run(submitted) })
  }
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
  on?: MessageName
}

async function assertMayUse(core: Core, call: Call, { action, ref, on }: Used): Promise<void> {
  if (action.who === 'asker') await assertAsker(core, call, ref.id)
  else if (action.who === 'viewer') await assertViewer(core, { ...call, on }, ref.id)
  else await assertPermission(core, call, typeof action.who === 'function' ? action.who(ref.id) : action.who)
}

/** Throws AppError admins_only, managers_only. */
async function assertPermission(core: Core, call: Call, needs: Permission): Promise<void> {
  const { id: identity } = call.from
  if (needs === 'everyone' || core.isAdmin(identity)) return
  if (needs === 'admin') throw new AppError('admins_only', { identity })
  if (await managesGroup(core, call)) return
  throw new AppError('managers_only')
}
