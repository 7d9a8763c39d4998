/** Buttons of the history: they turn its pages, in their message, and show a result again. */
import { AppError } from '../../core/errors.ts'
import { failureReply, offeringReply } from '../../core/generation/replies.ts'
import { readResult, resultOf } from '../../core/generation/result.ts'
import { outcomeOf } from '../../core/history/outcome.ts'
import { showAgain } from '../../core/results/show.ts'
import type { Action } from '../action.ts'
import { historyReply, turnedBy } from '../lists/history.ts'

const turning = (direction: 'older' | 'newer'): Action => ({
  name: direction,
  // the page is that of the person who presses
  who: 'everyone',
  async run({ core, call, values: { ref } }) {
    const page = await historyReply(core, call, turnedBy(core, direction, ref))
    // a page that a group still shows is not replaced by one that only the person may see
    return { ...page, inPlace: !page.confidential }
  },
})

export const olderAction = turning('older')
export const newerAction = turning('newer')

export const showAction: Action = {
  name: 'show',
  // favourites may be those of others
  who: 'viewer',
  answers: 'private',
  async run({ core, call, values: { ref } }) {
    const reply = await showAgain(core, call, await resultOf(core, ref))
    // in a private chat all answers are private, and an answer to the press alone could show no picture
    return { ...reply, private: call.place.group !== undefined, shows: ref }
  },
}

/** Posts a result that may not have arrived. */
export const resendAction: Action = {
  name: 'resend',
  who: 'asker',
  answers: 'public',
  async run({ core, call, values: { ref } }) {
    const result = await resultOf(core, ref)
    return { ...(await showAgain(core, call, result)), shows: ref, confidential: result.private }
  },
}

/** Fetches the result into a message that could no longer be changed without a press. */
export const getResultAction: Action = {
  name: 'getresult',
  who: 'asker',
  async run({ core, call, values: { ref } }) {
    const { locale } = call
    const result = await readResult(core, ref)
    if (result) return { ...(await showAgain(core, call, result)), inPlace: true }
    const outcome = await outcomeOf(core, null, ref)
    if (!outcome) throw new AppError('unknown_button')
    const { id, request, error } = outcome
    if (!error) return { ...offeringReply({ id, locale, request }), inPlace: true }
    const failure = { error: error.kind, data: error.data, refunded: 0 }
    return { ...failureReply({ id, locale, request }, failure), inPlace: true }
  },
}
