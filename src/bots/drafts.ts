/** Shows an enhanced prompt, with the buttons that choose what is drawn. */
import { button } from '../core/chats/buttons.ts'
import { type Draft, draftMinutes } from '../core/generation/drafts.ts'
import type { Locale, Reply } from '../core/ports/chat.ts'
import { shorten } from '../core/text.ts'
import type { Words } from '../locales/index.ts'
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

/** The same message after the person has submitted the form. */
export const closedDraft = (words: Words, locale: Locale, { prompt }: Pick<Draft, 'prompt'>): Reply => ({
  locale,
  state: 'closed',
  content: { kind: 'text', text: words.drafts.closed(shorten(prompt, shownPrompt)) },
})
