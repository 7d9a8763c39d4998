/** Buttons that mark a result as a favourite and rate it. A second press of the same button undoes the first. */
import { accountOf } from '../../core/accounts/accounts.ts'
import { type Rating, rate, toggleFavourite } from '../../core/results/reactions.ts'
import type { Action } from '../action.ts'

export const favouriteAction: Action = {
  name: 'favourite',
  who: 'viewer',
  async run({ core, call, words, values: { ref } }) {
    const userId = await accountOf(core, call.from)
    const kept = await toggleFavourite(core, { userId, generationId: ref, key: call.key })
    const text = kept ? words.reactions.favourite : words.reactions.noFavourite
    return { locale: call.locale, state: 'info', content: { kind: 'text', text }, private: true, brief: true }
  },
}

export const upAction = rating('up')
export const downAction = rating('down')

function rating(name: Rating): Action {
  return {
    name,
    who: 'viewer',
    async run({ core, call, words, values: { ref } }) {
      const userId = await accountOf(core, call.from)
      const rated = await rate(core, { userId, generationId: ref, key: call.key }, name)
      const text = words.reactions[rated ?? 'unrated']
      return { locale: call.locale, state: 'info', content: { kind: 'text', text }, private: true, brief: true }
    },
  }
}
