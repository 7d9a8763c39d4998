/** Answers to presses of buttons, and questions to people. */
import type { Api } from 'grammy'
import type { Reply } from '../../../core/ports/chat.ts'
import type { Form } from '../../../core/ports/forms.ts'
import { wordsFor } from '../../../locales/index.ts'
import { plainText } from '../../layout.ts'
import { messageName, type PressTarget, type Target } from '../address.ts'
import { failureOf } from '../bot-api.ts'
import type { Dialogues } from '../incoming/dialogues.ts'
import { questionOf } from './question.ts'
import { cut, maxText, optionsOf, withoutPreview } from './text.ts'

/** Telegram's limit for the answer to a press, in UTF-16 units. */
export const maxToast = 200
/** Characters of the placeholder in an empty reply box. */
const maxPlaceholder = 64

export interface Answers {
  /** Shows a few words to the person who pressed. */
  tell(target: PressTarget, reply: Reply): Promise<void>
  /** Ends the button's waiting animation. Never rejects: the work that the press asked for is done. */
  seen(target: PressTarget): Promise<void>
  /** Asks for the fields of a form. */
  ask(target: Target, reply: Reply, form: Form): Promise<void>
}

export function createAnswers(api: Api, dialogues: Dialogues): Answers {
  /** A press older than Telegram's 150 seconds can no longer be answered; its effect shows in the message. */
  async function answer(target: Target, shown: { text?: string; show_alert?: boolean }): Promise<void> {
    if (target.kind !== 'press') return
    await api.answerCallbackQuery(target.queryId, shown).catch((error: unknown) => {
      if (!failureOf(error)?.description.includes('query is too old')) throw error
    })
  }

  return {
    tell: (target, reply) =>
      answer(target, { text: cut(plainText(reply), maxToast), show_alert: !reply.toast && !reply.brief }),

    seen: (target) => answer(target, {}).catch(() => undefined),

    /** Opens the person's reply box. In a group, only people who are mentioned see it. The press is answered last. */
    async ask(target, { locale }, form) {
      const place = target.kind === 'press' ? target.message : target
      const userId = target.kind === 'press' ? target.userId : Number(form.person?.split(':')[1])
      const unavailable = { text: wordsFor(locale).errors.chat_unavailable(), show_alert: true }
      const isGroup = place.chatId < 0
      const { text, entities } = questionOf(form, { locale, limit: maxText, mention: isGroup ? userId : undefined })
      const placeholder = cut(form.fields[0]?.hint ?? form.title, maxPlaceholder)
      const { chatId } = place
      const openedOn = target.kind === 'press' && place.replyTo ? messageName(chatId, place.replyTo) : undefined
      const name = await dialogues.announce({ chatId, userId, form: form.id, openedOn })
      try {
        const { message_id: messageId } = await api.sendMessage(chatId, text, {
          ...optionsOf(place),
          ...withoutPreview,
          entities,
          reply_markup: { force_reply: true, selective: isGroup, input_field_placeholder: placeholder },
        })
        await dialogues.open(name, { chatId, messageId })
      } catch (error) {
        if (wasRefused(error)) await dialogues.withdraw(name)
        // after a pause it is asked again
        if (failureOf(error)?.retryAfterMs === undefined) await answer(target, unavailable)
        throw error
      }
      await answer(target, {})
    },
  }
}

/** Whether Telegram certainly sent nothing. After any other failure it may have. */
function wasRefused(error: unknown): boolean {
  const code = failureOf(error)?.code
  return code !== undefined && code < 500
}
