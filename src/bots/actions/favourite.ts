/** Keeps a result among the favourites of the person, or lets it go again. */
import { accountOf } from '../../core/accounts/accounts.ts'
import { toggleFavourite } from '../../core/results/reactions.ts'
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
