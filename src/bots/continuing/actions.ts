/** Wider views of a picture, which the provider that drew it makes from its own work. The presser pays. */
import { AppError } from '../../core/errors.ts'
import { resultOf } from '../../core/generation/result.ts'
import type { Act } from '../../core/ports/models.ts'
import { continuationOf } from '../../core/results/again.ts'
import type { Action } from '../action.ts'
import { submitOffer } from '../submit.ts'

const continuing = (act: Act): Action => ({
  name: act,
  who: 'viewer',
  answers: 'public',
  async run({ core, call, values: { ref } }) {
    const result = await resultOf(core, ref)
    const continued = continuationOf(core, result, act)
    if (!continued) throw new AppError('unknown_button')
    const { chosen, params } = continued
    const parent = { id: ref, button: act }
    return submitOffer(core, call, { chosen, params, images: [], parent, result, offers: [act] })
  },
})

export const continuingActions: readonly Action[] = (
  ['zoomoutless', 'zoomout', 'panleft', 'panright', 'panup', 'pandown'] as const
).map(continuing)
