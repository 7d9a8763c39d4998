/** Buttons of the history: they turn its pages, in their message, and show a result again. */
import { resultOf } from '../../core/generation/result.ts'
import { showAgain } from '../../core/results/show.ts'
import type { Action } from '../action.ts'
import { historyReply, turnedBy } from '../lists/history.ts'

const turning = (direction: 'older' | 'newer'): Action => ({
  name: direction,
  // the page is that of the person who presses
  who: 'everyone',
  async run({ core, call, values: { ref } }) {
    const page = await historyReply(core, call, turnedBy(core, direction, ref))
    // a group may have an old page
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
    const reply = await showAgain(core, await resultOf(core, ref))
    // in a private chat all answers are private, and an answer to the press alone could show no picture
    return { ...reply, private: call.place.group !== undefined, shows: ref }
  },
}
