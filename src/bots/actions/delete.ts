/** Deletes a result, in two presses: the first one asks, in place of the other buttons. */
import { AppError } from '../../core/errors.ts'
import { readKept, resultOf } from '../../core/generation/result.ts'
import { deletionButtons } from '../../core/generation/result-buttons.ts'
import { actBy } from '../../core/results/access.ts'
import { buttonsToShow } from '../../core/results/quotes.ts'
import { removeResult } from '../../core/results/remove.ts'
import type { Action } from '../action.ts'

export const deleteAction: Action = {
  name: 'delete',
  who: 'asker',
  async run({ core, call, words, values: { ref } }) {
    // also one whose pictures have expired: its words and messages go
    if (!(await readKept(core, ref))) throw new AppError('unknown_button')
    const content = { kind: 'text', text: words.toasts.sure } as const
    const newButtons = deletionButtons(ref)
    return { locale: call.locale, state: 'info', content, private: true, toast: true, newButtons }
  },
}

export const keepAction: Action = {
  name: 'keep',
  who: 'asker',
  async run({ core, call, words, values: { ref } }) {
    const newButtons = await buttonsToShow(core, await resultOf(core, ref))
    const content = { kind: 'text', text: words.toasts.kept } as const
    return { locale: call.locale, state: 'info', content, private: true, toast: true, newButtons }
  },
}

export const eraseAction: Action = {
  name: 'erase',
  who: 'asker',
  async run({ core, call, words, values: { ref } }) {
    const { act, surface } = call
    const pressed = act.kind === 'press' ? act.on : undefined
    const on = pressed && { surface, posted: pressed.posted }
    const isGone = await removeResult(core, { id: ref, on, act: await actBy(core, call) })
    const content = { kind: 'text', text: isGone ? words.toasts.deleted : words.mayBeLeft } as const
    return { locale: call.locale, state: 'info', content, private: true, toast: isGone }
  },
}
