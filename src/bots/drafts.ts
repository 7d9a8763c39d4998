/** Shows an enhanced prompt, or one that was written for a picture, with the buttons that choose what is drawn. */
import type { SettingsInForce } from '../core/accounts/settings.ts'
import { button } from '../core/chats/buttons.ts'
import type { Core } from '../core/core.ts'
import { AppError } from '../core/errors.ts'
import { type Draft, draftBefore, draftMinutes, makePlainDraft } from '../core/generation/drafts.ts'
import type { Attachment, Call, Locale, Reply } from '../core/ports/chat.ts'
import { fillIn } from '../core/request/defaults.ts'
import { describePicture } from '../core/results/describe.ts'
import { shorten } from '../core/text.ts'
import { type Words, wordsFor } from '../locales/index.ts'
import type { Answer } from './command.ts'

/** Characters of each prompt that are shown, so that both fit into one message on every platform. */
const shownPrompt = 700

export function draftReply(words: Words, locale: Locale, { id, ...draft }: Draft): Answer {
  const { price, ownPrice, enhanced } = draft
  const choices = [
    ...(enhanced === undefined ? [] : [button('useenhanced', id, { price, style: 'primary' })]),
    button('useown', id, { price: ownPrice }),
    button('editdraft', id, { price: ownPrice }),
  ]
  const shown = { prompt: shorten(draft.prompt, shownPrompt), enhanced: enhanced && shorten(enhanced, shownPrompt) }
  const content = { kind: 'text', text: words.drafts.shown({ ...shown, minutes: draftMinutes }) } as const
  return { locale, state: 'asking', content, buttons: [choices], private: draft.private || undefined, drafted: id }
}

interface Described {
  picture: Attachment
  settings: SettingsInForce
  private: boolean
}

/** The prompt for a picture. It can be drawn, unless no model draws it. */
export async function describedReply(core: Core, call: Call, described: Described): Promise<Answer> {
  const { locale } = call
  const before = await draftBefore(core, call.key)
  const prompt = before?.prompt ?? (await describePicture(core, call.from, described.picture))
  const content = { kind: 'text', text: wordsFor(locale).described(prompt) } as const
  const draft = before ?? (await drawable(core, call, { ...described, prompt }))
  if (!draft) return { locale, state: 'info', content }
  const { id, price } = draft
  const buttons = [[button('draw', id, { price, style: 'primary' }), button('editdraft', id, { price })]]
  return { locale, state: 'asking', content, buttons, drafted: id }
}

async function drawable(
  core: Core,
  { key, surface, address, place, locale, from }: Call,
  { prompt, settings, private: isPrivate }: Described & { prompt: string },
): Promise<Draft | undefined> {
  try {
    const filled = fillIn(core, { params: { prompt }, images: 0, defaults: settings.chosen })
    const call = { key, surface, address, place, locale, from }
    return await makePlainDraft(core, { ...call, ...filled, images: [], private: isPrivate })
  } catch (error) {
    if (error instanceof AppError) return undefined
    throw error
  }
}

/** The same message after the person has submitted the form. */
export const closedDraft = (words: Words, locale: Locale, { prompt }: Pick<Draft, 'prompt'>): Reply => ({
  locale,
  state: 'closed',
  content: { kind: 'text', text: words.drafts.closed(shorten(prompt, shownPrompt)) },
})
