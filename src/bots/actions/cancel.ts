/** Cancels a request that has not been drawn yet, and gives its credits back. */
import { AppError } from '../../core/errors.ts'
import { cancel, endWaiting } from '../../core/generation/cancel.ts'
import { actBy } from '../../core/results/access.ts'
import type { Action } from '../action.ts'

export const cancelAction: Action = {
  name: 'cancel',
  who: 'asker',
  async run({ core, call, words, values }) {
    const { surface, locale, act } = call
    const outcome = await cancel(core, null, values.ref, await actBy(core, call))
    if (outcome) await endWaiting(core, { surface, locale, on: act.kind === 'press' ? act.on : undefined }, outcome)
    // a repeated press of a cancelled request succeeds, too
    if (outcome?.state !== 'cancelled') throw new AppError('already_ended')
    const content = { kind: 'text', text: words.toasts.cancelled } as const
    return { locale: call.locale, state: 'info', content, private: true, toast: true }
  },
}
